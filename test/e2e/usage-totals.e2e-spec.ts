import type { Page, Request, Usage } from '../../libs/contract/src/index.js';
import { directive, type Simulator } from '../../apps/simulator/src/simulator.js';
import type { TestGateway } from '../support/gateway.js';
import { call, callBody } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';

const SUMS = ['input_tokens', 'cached_tokens', 'cache_write_tokens', 'output_tokens', 'reasoning_tokens'] as const;

let scene: Scene;
let gateway: TestGateway;
let simulator: Simulator;
let rows: Request[];

beforeAll(async () => {
  scene = await startScene();
  ({ gateway, simulator } = scene);
  const first = scene.secret;
  const { secret: second } = await gateway.admin.issueKey({ models: ['gpt-5.5'] });
  await gateway.admin.create('/models', {
    name: 'gpt-5.5',
    prices: {
      input_per_million_usd: '1.25',
      cached_input_per_million_usd: '0.1',
      output_per_million_usd: '10.000000001',
    },
  });
  const calls = [
    ...Array.from(
      { length: 6 },
      (_, i) => () =>
        call(gateway.url, callBody(`hello ${i} ${directive({ reasoning: true })}`, { prompt_cache_key: 'c' }), {
          secret: first,
        }),
    ),
    () => call(gateway.url, callBody('no stream', { stream: false }), { secret: second }),
    () => call(gateway.url, callBody('unpriced', { model: 'gpt-free' }), { secret: first }),
    () => call(gateway.url, callBody('forbidden', { model: 'gpt-free' }), { secret: second }),
    () => call(gateway.url, callBody('unauthenticated'), {}),
    ...['codex_exec/0.1 (x)', 'codex_exec/0.2', '=1+1', 'curl/8'].map(
      (client, i) => () =>
        call(gateway.url, callBody(`a client ${i}`, { service_tier: ['flex', 'mine'][i % 2] }), {
          secret: i < 3 ? first : 'sk-tg-unknown',
          headers: { 'user-agent': client },
        }),
    ),
    () =>
      call(gateway.url, callBody(directive({ fault: { kind: 'status', status: 400, code: 'Not a code' } })), {
        secret: first,
      }),
  ];
  const answers = [];
  for (const send of calls) answers.push(await send());
  rows = await Promise.all(answers.map(({ requestId }) => gateway.row(requestId)));
});
afterAll(() => scene.stop());

async function usage(query = ''): Promise<Usage['data']> {
  const answer = await gateway.admin.get(`/usage${query}`);
  expect(answer.status).toBe(200);
  return (answer.body as Usage).data;
}

const sum = (values: (number | null)[]) => values.reduce<number>((total, value) => total + (value ?? 0), 0);
/** Exact: nine decimals as an integer. */
const nano = (usd: string | null) => {
  const [whole = '0', fraction = ''] = (usd ?? '0').split('.');
  return BigInt(whole + fraction.padEnd(9, '0'));
};

function expectedTotals(of: Request[]) {
  return {
    requests: of.length,
    errors: of.filter(({ outcome }) => outcome !== 'ok' && outcome !== 'client_left').length,
    ...Object.fromEntries(SUMS.map((name) => [name, sum(of.map((row) => row[name]))])),
  };
}

describe('usage totals', () => {
  it('equal the sum of the rows and the upstream’s own ledger, exactly', async () => {
    const [total] = await usage();
    expect(total).toMatchObject(expectedTotals(rows));
    const { overall } = simulator.ledger.totals;
    expect(total).toMatchObject({
      input_tokens: overall.inputTokens,
      cached_tokens: overall.cachedTokens,
      cache_write_tokens: overall.cacheWriteTokens,
      output_tokens: overall.outputTokens,
      reasoning_tokens: overall.reasoningTokens,
    });
    expect(nano(total?.cost_usd ?? null)).toBe(rows.reduce((all, row) => all + nano(row.cost_usd), 0n));
    expect(nano(total?.cost_usd ?? null)).toBeGreaterThan(0n);
  });

  it('can be grouped by any dimensions, and every group is the sum of its rows', async () => {
    const groups = await usage('?group_by=key,group,model,upstream');
    for (const group of groups) {
      const own = rows.filter(
        (row) =>
          row.key_id === group.key_id && (row.model ?? null) === group.model && row.upstream_id === group.upstream_id,
      );
      expect(group).toMatchObject(expectedTotals(own));
      expect(group.key_name).toBe(own[0]?.key_name);
    }
    expect(sum(groups.map(({ requests }) => requests))).toBe(rows.length);
  });

  it('are told by error, client and service tier, of which there are few', async () => {
    const of = async (dimension: 'error' | 'client' | 'service_tier') => {
      const groups = await usage(`?group_by=${dimension}`);
      return Object.fromEntries(groups.map((group) => [group[dimension] ?? null, group.requests]));
    };
    const counted = (name: (row: Request) => string | null) => {
      const counts: Record<string, number> = {};
      for (const row of rows) counts[String(name(row))] = (counts[String(name(row))] ?? 0) + 1;
      return counts;
    };
    const isError = ({ outcome }: Request) => outcome !== 'ok' && outcome !== 'client_left';
    const isCode = (code: string | null) => /^[a-z0-9_.]+$/.test(code ?? '');
    expect(await of('error')).toEqual(
      counted((row) => (isError(row) ? (isCode(row.error_code) ? row.error_code : row.outcome) : null)),
    );
    expect(await of('client')).toEqual(
      counted((row) => (row.key_id && row.client !== '=1+1' ? (row.client?.split('/')[0] ?? null) : null)),
    );
    expect(await of('client')).toMatchObject({ codex_exec: 2 });
    expect(await of('service_tier')).toEqual(counted(({ service_tier: tier }) => (tier === 'mine' ? 'other' : tier)));
  });

  it('are the same by the minute, the hour and the day, whatever they count under', async () => {
    const sums = [...SUMS, 'requests', 'errors', 'cost_nano_usd']
      .map((name) => `sum(${name})::text AS ${name}`)
      .join(', ');
    const dimensions = 'key_id, group_id, model, upstream_id, error, client, service_tier';
    const tables = ['usage_minutes', 'usage_hours', 'usage_days'].map((table) =>
      gateway.database.query(
        `SELECT ${dimensions}, ${sums} FROM ${table} GROUP BY ${dimensions} ORDER BY ${dimensions}`,
      ),
    );
    const [minutes, hours, days] = await Promise.all(tables);
    expect(minutes?.length).toBeGreaterThan(5);
    expect(minutes).toEqual(days);
    expect(hours).toEqual(days);
  });

  it.each(['minute', 'hour', 'day', 'month', 'total'])('add up to the same over buckets of an %s', async (bucket) => {
    const buckets = await usage(`?bucket=${bucket}`);
    expect(sum(buckets.map(({ input_tokens }) => input_tokens))).toBe(
      sum(rows.map(({ input_tokens }) => input_tokens)),
    );
  });

  it('are exact for any time, not only for whole hours', async () => {
    const times = rows.map(({ started_at }) => started_at).toSorted();
    for (const start of times) {
      for (const end of [times.at(-1) ?? '', new Date(Date.now() + 1000).toISOString()]) {
        if (start > end) continue;
        const own = rows.filter(({ started_at }) => started_at >= start && started_at < end);
        const [total] = await usage(`?start=${start}&end=${end}`);
        expect(total).toMatchObject(expectedTotals(own));
      }
    }
  });

  it('answer with zeros when there was nothing', async () => {
    expect(await usage('?start=2020-01-01T00:00:00Z&end=2020-01-02T00:00:00Z')).toMatchObject([
      { requests: 0, cost_usd: '0' },
    ]);
  });
});

describe('the request list', () => {
  const list = async (query: string) => (await gateway.admin.get(`/requests${query}`)).body as Page<Request>;

  it('is newest first, in pages that hold every row once', async () => {
    const ids: string[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const page: Page<Request> = await list(`?limit=3${cursor ? `&cursor=${cursor}` : ''}`);
      ids.push(...page.data.map(({ id }) => id));
      cursor = page.next_cursor;
    }
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(ids)).toEqual(new Set(rows.map(({ id }) => id)));
  });

  it('is narrowed by every filter', async () => {
    const [row] = rows;
    const expectRows = async (query: string, own: (row: Request) => boolean) =>
      expect((await list(query)).data.map(({ id }) => id).toSorted()).toEqual(
        rows
          .filter(own)
          .map(({ id }) => id)
          .toSorted(),
      );
    await expectRows(`?key=${row?.key_id}`, ({ key_id }) => key_id === row?.key_id);
    await expectRows(`?group=${row?.group_id}`, ({ group_id }) => group_id === row?.group_id);
    await expectRows(`?upstream=${row?.upstream_id}`, ({ upstream_id }) => upstream_id === row?.upstream_id);
    await expectRows('?model=gpt-free', ({ model }) => model === 'gpt-free');
    await expectRows('?status=4xx', ({ status }) => status >= 400 && status < 500);
    await expectRows('?status=401', ({ status }) => status === 401);
    await expectRows('?outcome=ok', ({ outcome }) => outcome === 'ok');
    await expectRows('?session=c', ({ session_id }) => session_id === 'c');
    await expectRows(`?from=${row?.started_at}`, ({ started_at }) => started_at >= (row?.started_at ?? ''));
    await expectRows(`?to=${row?.started_at}`, ({ started_at }) => started_at < (row?.started_at ?? ''));
    await expectRows(
      `?key=${row?.key_id}&model=gpt-free`,
      ({ key_id, model }) => key_id === row?.key_id && model === 'gpt-free',
    );
  });
});
