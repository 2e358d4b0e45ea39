import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { directive, type Simulator } from '../../apps/simulator/src/simulator.js';
import { toPublicId } from '../../libs/contract/src/index.js';

/** What a client knows of one of its calls. */
export interface SeenCall {
  readonly requestId: string | null;
  readonly status: number;
  /** It has seen the end of its answer. */
  readonly isWhole: boolean;
}

const TERMINAL = /event: response\.(?:completed|incomplete|failed)\n[^\n]*\n\n/;

/** Clients that call one after the other, and take down what they have seen. */
export class CallingClients {
  readonly calls: SeenCall[] = [];
  private isStopped = false;
  private readonly agent = new Agent({ connections: null, pipelining: 1, bodyTimeout: 60_000 });

  constructor(
    private readonly secret: string,
    private readonly answer: { deltas: number; delayMs: number },
  ) {}

  /** So many at once, each with its next call as soon as it has its answer; until `stop`. */
  async keepBusy(url: string, clients: number): Promise<void> {
    this.isStopped = false;
    await Promise.all(
      Array.from({ length: clients }, async (_, index) => {
        for (let n = index; !this.isStopped; n++) await this.call(url, n);
      }),
    );
  }

  /** So many a second, whether they are answered or not; for so long. */
  async keepPace(url: string, perSecond: number, ms: number): Promise<void> {
    const startedAtMs = performance.now();
    const running = new Set<Promise<void>>();
    for (let n = 0; performance.now() - startedAtMs < ms; n++) {
      const waitMs = startedAtMs + (n * 1000) / perSecond - performance.now();
      if (waitMs > 0) await delay(waitMs);
      const call = this.call(url, n).finally(() => running.delete(call));
      running.add(call);
    }
    await Promise.all(running);
  }

  stop(): void {
    this.isStopped = true;
  }

  async close(): Promise<void> {
    await this.agent.destroy();
  }

  private async call(url: string, n: number): Promise<void> {
    const isStream = n % 5 !== 0;
    const { deltas, delayMs } = this.answer;
    const script = directive({ deltas, delta_delay_ms: delayMs, usage: usageOf(n) });
    let requestId: string | null = null;
    let status = 0;
    let text = '';
    try {
      const response = await request(`${url}/v1/responses`, {
        dispatcher: this.agent,
        method: 'POST',
        headers: { authorization: `Bearer ${this.secret}`, 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'gpt-5.5', input: `hello ${n} ${script}`, stream: isStream, store: false }),
      });
      status = response.statusCode;
      requestId = String(response.headers['x-request-id']);
      for await (const chunk of response.body) text += String(chunk);
      this.calls.push({ requestId, status, isWhole: status === 200 && (!isStream || TERMINAL.test(text)) });
    } catch {
      // The gateway was killed; what had come before counts all the same.
      this.calls.push({ requestId, status, isWhole: isStream && TERMINAL.test(text) });
      await delay(5);
    }
  }
}

/** No two calls alike, so that a row cannot pass for another's. */
export function usageOf(n: number) {
  const input = 1_000 + (n % 977);
  const output = 10 + (n % 89);
  return {
    input_tokens: input,
    input_tokens_details: { cached_tokens: n % 500 },
    output_tokens: output,
    output_tokens_details: { reasoning_tokens: n % 10 },
    total_tokens: input + output,
  };
}

interface LoggedRow {
  id: string;
  outcome: string;
  usage_source: string;
  response_id: string | null;
  input_tokens: string | null;
  cached_tokens: string | null;
  output_tokens: string | null;
  reasoning_tokens: string | null;
}

const SUMS = [
  'input_tokens',
  'cached_tokens',
  'cache_write_tokens',
  'output_tokens',
  'reasoning_tokens',
  'cost_nano_usd',
] as const;

/** What is wrong when the log is held against what clients have seen, its own totals, and the upstream's ledger. */
export interface Comparison {
  rows: number;
  crashRows: number;
  wholeCalls: number;
  wholeCallsWithoutRow: number;
  wholeCallsWithOtherTokens: number;
  /** Requests whose id a client was told. */
  toldCallsWithoutRow: number;
  duplicates: number;
  /** Billed responses whose row tells other tokens than the upstream's ledger. */
  ledgerDifferences: number;
  /** Requests that have reached the upstream beyond those in the log. */
  upstreamRequestsWithoutRow: number;
  totalsDiffer: boolean;
}

export type Query = <Row extends object>(sql: string) => Promise<Row[]>;

export async function compared(query: Query, calls: readonly SeenCall[], simulator: Simulator): Promise<Comparison> {
  const rows = await query<LoggedRow>(
    `SELECT id, outcome, usage_source, response_id, input_tokens, cached_tokens, output_tokens, reasoning_tokens FROM request_log WHERE kind = 'response'`,
  );
  const byId = new Map(rows.map((row) => [toPublicId('request', row.id), row]));
  const billed = new Map(simulator.ledger.entries.map((entry) => [entry.responseId, entry]));
  const isAsBilled = (row: LoggedRow): boolean => {
    const entry = billed.get(row.response_id ?? '');
    return (
      entry?.inputTokens === Number(row.input_tokens) &&
      entry.cachedTokens === Number(row.cached_tokens) &&
      entry.outputTokens === Number(row.output_tokens) &&
      entry.reasoningTokens === Number(row.reasoning_tokens)
    );
  };
  const whole = calls.filter(({ isWhole }) => isWhole).map(({ requestId }) => byId.get(requestId ?? ''));
  const told = calls.filter(({ requestId, status }) => requestId !== null && status === 200);
  const { ofRows, ofTotals } = await logSums(query);
  return {
    rows: rows.length,
    crashRows: rows.filter(({ outcome }) => outcome === 'gateway_crash').length,
    wholeCalls: whole.length,
    wholeCallsWithoutRow: whole.filter((row) => row === undefined).length,
    wholeCallsWithOtherTokens: whole.filter((row) => row && (row.outcome !== 'ok' || !isAsBilled(row))).length,
    toldCallsWithoutRow: told.filter(({ requestId }) => !byId.has(requestId ?? '')).length,
    duplicates: rows.length - byId.size,
    ledgerDifferences: rows.filter(
      (row) => row.usage_source !== 'estimate' && row.usage_source !== 'none' && !isAsBilled(row),
    ).length,
    upstreamRequestsWithoutRow: Math.max(0, simulator.exchanges.length - rows.length),
    totalsDiffer: Object.values(ofTotals).some((total) => JSON.stringify(total) !== JSON.stringify(ofRows)),
  };
}

export type LogSums = Record<'requests' | 'errors' | (typeof SUMS)[number], string>;

/** What all rows of the log come to, and what its totals by the minute, the hour and the day do. */
export async function logSums(
  query: Query,
): Promise<{ ofRows: LogSums | undefined; ofTotals: Record<'minute' | 'hour' | 'day', LogSums | undefined> }> {
  const sums = SUMS.map((name) => `coalesce(sum(${name}), 0)::text AS ${name}`).join(', ');
  const errors = `count(*) FILTER (WHERE outcome NOT IN ('ok', 'client_left'))::text`;
  const total = async (unit: string) =>
    (
      await query<LogSums>(
        `SELECT sum(requests)::text AS requests, sum(errors)::text AS errors, ${sums} FROM usage_${unit}s`,
      )
    )[0];
  const [[ofRows], minute, hour, day] = await Promise.all([
    query<LogSums>(`SELECT count(*)::text AS requests, ${errors} AS errors, ${sums} FROM request_log`),
    total('minute'),
    total('hour'),
    total('day'),
  ]);
  return { ofRows, ofTotals: { minute, hour, day } };
}

/** A comparison without a fault. */
export const FAULTLESS = {
  wholeCallsWithoutRow: 0,
  wholeCallsWithOtherTokens: 0,
  toldCallsWithoutRow: 0,
  duplicates: 0,
  ledgerDifferences: 0,
  upstreamRequestsWithoutRow: 0,
  totalsDiffer: false,
};

/** Resident memory of a process in MB. */
export function rssMb(pid: number): number {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / 1024;
}
