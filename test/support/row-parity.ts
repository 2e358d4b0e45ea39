import type { Simulator } from '../../apps/simulator/src/simulator.js';
import type { Upstream } from '../../libs/contract/src/index.js';
import { eventually } from './eventually.js';
import type { TestGateway } from './gateway.js';
import { pendingGone } from './kill-rounds.js';
import { MixedClients, type MixOptions, MODEL, type SentCall } from './parity-mix.js';
import { logSums } from './request-ledger.js';
import { call } from './responses-client.js';
import { wrongTotals } from './usage-totals.js';

const PRICES = { input_per_million_usd: '1.25', cached_input_per_million_usd: '0.125', output_per_million_usd: '10' };
/** The same for one token. */
const NANO_USD = { uncached: 1_250, cached: 125, output: 10_000 };
const ROWS_GIVE_UP_MS = 120_000;

/** Two numbers that have to be the same. */
export interface ParityLine {
  what: string;
  left: number;
  right: number;
}

export interface Parity {
  lines: ParityLine[];
  /** How many requests ended how. */
  outcomes: Record<string, number>;
  /** Requests for which more than one call was made. */
  triedAgain: number;
  /** Tokens of calls that were cut: what the upstream billed can only be guessed, so the two differ. */
  cut: { billedTokens: number; estimatedTokens: number };
  seconds: number;
}

/** Lines whose sides differ. */
export const differing = ({ lines }: Parity): ParityLine[] => lines.filter(({ left, right }) => left !== right);

interface LoggedCall {
  client_request_id: string;
  group_id: string | null;
  status: number;
  outcome: string;
  usage_source: string;
  attempts: number;
  input_tokens: number;
  cached_tokens: number;
  output_tokens: number;
  reasoning_tokens: number;
  cost_nano_usd: number;
}

/** A gateway, and a simulator of which every exchange is kept, with nothing of another kind in its log and its ledger. */
export interface ParityScene {
  gateway: TestGateway;
  simulator: Simulator;
}

export interface ParityOptions extends MixOptions {
  /** Called when every call has its answer, before rows are waited for. */
  meanwhile?: () => Promise<void>;
}

/** Sends a mix of calls; then holds clients, rows, totals, budgets and the upstream's own books against each other. */
export async function rowParity(
  { gateway, simulator }: ParityScene,
  { meanwhile, ...options }: ParityOptions,
): Promise<Parity> {
  // Twice the same, so that there is another one to move to; a fault of a few is not to keep calls from the others.
  for (const name of ['parity-one', 'parity-other']) {
    await gateway.admin.create<Upstream>('/upstreams', { name, base_url: simulator.baseUrl, cool_down_seconds_max: 0 });
  }
  await gateway.admin.create('/models', { name: MODEL, prices: PRICES });
  const { secret, group } = await gateway.admin.issueKey({ models: [MODEL], group: { budget_usd: '100000.00' } });
  const { secret: limitedSecret } = await gateway.admin.issueKey({ group: { requests_per_minute: 1 } });
  const { secret: unbudgetedSecret } = await gateway.admin.issueKey();
  const clients = new MixedClients(gateway.url, { secret, limitedSecret, unbudgetedSecret }, simulator);
  const startedAtMs = performance.now();
  const sent = await clients.send(options);
  await meanwhile?.();
  await eventually('an end of all requests', async () =>
    (await gateway.metric('tollgate_requests_in_flight')) === 0 ? true : undefined,
  );
  await pendingGone(gateway, ROWS_GIVE_UP_MS);
  const seconds = Math.round((performance.now() - startedAtMs) / 100) / 10;
  const rows = await gateway.database.query<LoggedCall>(
    `SELECT client_request_id, group_id, status, outcome, usage_source, attempts,
      ${['input', 'cached', 'output', 'reasoning'].map((type) => `coalesce(${type}_tokens, 0)::float8 AS ${type}_tokens`).join()},
      coalesce(cost_nano_usd, 0)::float8 AS cost_nano_usd
     FROM request_log WHERE starts_with(client_request_id, $1)`,
    [`${clients.run}-`],
  );
  const upstream = upstreamBooks(simulator, clients.run);
  const outcomes: Record<string, number> = {};
  for (const { outcome } of rows) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
  const totals = await totalLines(gateway);
  // Behind the totals: that it is asked is a row, too.
  const used = await budgetUsed(gateway, secret);
  const ofGroup = rows.filter((row) => row.group_id === uuidOf(group.id));
  return {
    lines: [
      ...requestLines(sent, rows, upstream),
      ...tokenLines(sent, rows, upstream),
      ...totals,
      { what: 'budget used by the group = cost of its rows', left: used, right: sum(ofGroup, 'cost_nano_usd') },
      { what: 'rows lost', left: 0, right: await gateway.metric('tollgate_log_rows_dropped') },
    ],
    outcomes,
    triedAgain: rows.filter(({ attempts }) => attempts > 1).length,
    cut: {
      billedTokens:
        sum(upstream.bills.filter(isCut), 'inputTokens') + sum(upstream.bills.filter(isCut), 'outputTokens'),
      estimatedTokens: sum(rows.filter(isEstimate), 'input_tokens') + sum(rows.filter(isEstimate), 'output_tokens'),
    },
    seconds,
  };
}

interface Bill {
  requestId: string;
  outcome: string;
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
  reasoningTokens: number;
}

/** What the simulator got and billed in a run, each by the id that the client gave the request. */
function upstreamBooks({ exchanges, ledger }: Simulator, run: string): { calls: string[]; bills: Bill[] } {
  const idOf = ({ headers }: (typeof exchanges)[number]) => String(headers['x-client-request-id']);
  const own = exchanges.filter((exchange) => idOf(exchange).startsWith(`${run}-`));
  const requestIds = new Map(own.map((exchange) => [exchange.responseId, idOf(exchange)]));
  const bills = ledger.entries.flatMap((entry) => {
    const requestId = requestIds.get(entry.responseId);
    return requestId === undefined ? [] : [{ ...entry, requestId }];
  });
  return { calls: own.map(idOf), bills };
}

type UpstreamBooks = ReturnType<typeof upstreamBooks>;

const isCut = ({ outcome }: Bill) => outcome === 'aborted' || outcome === 'broke_off';
const isEstimate = ({ usage_source: source }: LoggedCall) => source === 'estimate';
const isCounted = ({ usage_source: source }: LoggedCall) => source === 'terminal_event' || source === 'response_body';

function requestLines(sent: SentCall[], rows: LoggedCall[], { calls }: UpstreamBooks): ParityLine[] {
  const rowsById = grouped(rows, (row) => row.client_request_id);
  const callsById = grouped(calls, (id) => id);
  const alone = (id: string) => (rowsById.get(id)?.length === 1 ? rowsById.get(id)?.[0] : undefined);
  const answered = sent.filter(({ status }) => status !== null);
  return [
    { what: 'requests sent = rows', left: sent.length, right: rows.length },
    {
      what: 'requests sent = requests with one row each',
      left: sent.length,
      right: sent.filter(({ id }) => alone(id)).length,
    },
    { what: 'calls that upstreams got = attempts in rows', left: calls.length, right: sum(rows, 'attempts') },
    {
      what: 'requests sent = requests with as many attempts as calls',
      left: sent.length,
      right: sent.filter(({ id }) => alone(id)?.attempts === (callsById.get(id)?.length ?? 0)).length,
    },
    {
      what: 'statuses that clients were told = statuses in rows',
      left: answered.length,
      right: answered.filter(({ id, status, hasLeft }) => alone(id)?.status === status || hasLeft).length,
    },
    { what: 'answers cut short', left: 0, right: sent.filter((one) => one.isCut).length },
  ];
}

function tokenLines(sent: SentCall[], rows: LoggedCall[], { bills }: UpstreamBooks): ParityLine[] {
  const counted = rows.filter(isCounted);
  const countedIds = new Set(counted.map((row) => row.client_request_id));
  const left = new Set(sent.filter(({ hasLeft }) => hasLeft).map(({ id }) => id));
  const whole = bills.filter((bill) => !isCut(bill));
  const billed = whole.filter(({ requestId }) => countedIds.has(requestId));
  const cost = (bill: Bill) =>
    (bill.inputTokens - bill.cachedTokens) * NANO_USD.uncached +
    bill.cachedTokens * NANO_USD.cached +
    bill.outputTokens * NANO_USD.output;
  return [
    {
      what: 'whole answers billed = rows with their usage',
      left: whole.filter(({ requestId }) => countedIds.has(requestId) || !left.has(requestId)).length,
      right: counted.length,
    },
    { what: 'input tokens billed = in rows', left: sum(billed, 'inputTokens'), right: sum(counted, 'input_tokens') },
    { what: 'cached tokens billed = in rows', left: sum(billed, 'cachedTokens'), right: sum(counted, 'cached_tokens') },
    { what: 'output tokens billed = in rows', left: sum(billed, 'outputTokens'), right: sum(counted, 'output_tokens') },
    {
      what: 'reasoning tokens billed = in rows',
      left: sum(billed, 'reasoningTokens'),
      right: sum(counted, 'reasoning_tokens'),
    },
    {
      what: 'cost by hand = in rows (nano-dollars)',
      left: billed.reduce((all, bill) => all + cost(bill), 0),
      right: sum(counted, 'cost_nano_usd'),
    },
  ];
}

/** Of all that is in the log. */
async function totalLines({ database }: TestGateway): Promise<ParityLine[]> {
  const { ofRows, ofTotals } = await logSums((sql) => database.query(sql));
  const shown = {
    requests: 'requests',
    errors: 'errors',
    input_tokens: 'input tokens',
    output_tokens: 'output tokens',
  };
  const lines = Object.entries({ ...shown, cost_nano_usd: 'cost' }).flatMap(([column, name]) =>
    Object.entries(ofTotals).map(([unit, total]) => ({
      what: `${name} in rows = in totals by the ${unit}`,
      left: Number(ofRows?.[column as keyof typeof ofRows]),
      right: Number(total?.[column as keyof typeof total]),
    })),
  );
  return [
    ...lines,
    { what: 'totals of a key, model, … that differ', left: 0, right: (await wrongTotals(database)).length },
  ];
}

async function budgetUsed({ url }: TestGateway, secret: string): Promise<number> {
  const { body } = await call(url, null, { secret, path: '/v1/usage', method: 'GET' });
  const { limits } = JSON.parse(body.toString()) as { limits: { unit: string; used: number }[] };
  return Math.round((limits.find(({ unit }) => unit === 'usd')?.used ?? NaN) * 1e9);
}

function uuidOf(id: string): string {
  return id.replace(/^\w+_/, '').replace(/(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

function grouped<T>(of: readonly T[], keyOf: (one: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of of) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one]);
  return groups;
}

function sum<Name extends string>(of: readonly Record<Name, number>[], name: Name): number {
  return of.reduce((total, each) => total + each[name], 0);
}
