import { type ClientRequest, request as httpRequest } from 'node:http';
import type { OpenRequestList } from '../../libs/contract/src/index.js';
import { CompactionScene, CONVERSATION, itemOf, MODEL } from '../support/compaction-scene.js';
import { eventually } from '../support/eventually.js';
import { call, eventsOf } from '../support/responses-client.js';

const CODEX = { originator: 'codex_exec', 'user-agent': 'codex_exec/0.169.0' };
const TRIGGERED = {
  model: MODEL,
  input: [...CONVERSATION, { type: 'compaction_trigger' }],
  stream: true,
  store: false,
};

let scene: CompactionScene;
beforeAll(async () => {
  scene = await CompactionScene.start(
    { compaction: 'unknown' },
    { compaction: 'emulate' },
    { SSE_KEEP_ALIVE_SECONDS: '0.1' },
  );
});
afterAll(() => scene.stop());

/** How the model behaves that writes the summary. */
const behave = (script: object) =>
  scene.gateway.admin.patch('/settings', {
    compaction_instruction: `Summarise, please: [[sim ${JSON.stringify(script)}]]`,
  });

const compact = (headers: Record<string, string> = {}) =>
  call(scene.gateway.url, JSON.stringify(TRIGGERED), { secret: scene.issued.secret, headers });

/** A client that can leave; resolves when the upstream is at work for it. */
async function startedCompaction(): Promise<{ client: ClientRequest; requestId: () => Promise<string> }> {
  const client = httpRequest(`${scene.gateway.url}/v1/responses`, {
    method: 'POST',
    headers: { authorization: `Bearer ${scene.issued.secret}`, 'content-type': 'application/json' },
  });
  client.on('error', () => undefined);
  const reached = scene.simulator.nextExchange();
  const since = new Date().toISOString();
  client.end(JSON.stringify(TRIGGERED));
  await reached;
  const requestId = () =>
    eventually('a row of the compaction', async () => {
      const { body } = await scene.gateway.admin.get(`/requests?kind=compaction&from=${since}`);
      return (body as { data: { id: string }[] }).data[0]?.id;
    });
  return { client, requestId };
}

const endings: (() => Promise<void>)[] = [];
const onTestEnd = (end: () => Promise<void>) => void endings.push(end);
afterEach(() => Promise.all(endings.splice(0).map((end) => end())));

describe('a compaction that takes long', () => {
  it('keeps the stream open by comments, and ends as every other', async () => {
    await behave({ first_delay_ms: 400 });
    const answer = await compact();
    expect(answer.status).toBe(200);
    expect(answer.body.toString()).toMatch(/^(: keep-alive\n\n)+event: response\.created\n/);
    expect(itemOf(answer)?.encrypted_content).toMatch(/^tgc1\./);
    expect((await scene.gateway.row(answer.requestId)).keep_alives).toBeGreaterThan(0);
  });

  it('keeps it open for Codex by events, which alone reset its timer', async () => {
    await behave({ first_delay_ms: 400 });
    const answer = await compact(CODEX);
    expect(answer.body.toString()).toMatch(
      /^(event: keepalive\ndata: \{"type":"keepalive"\}\n\n)+event: response\.created\n/,
    );
  });

  it('and fails in the open stream ends it with the reason', async () => {
    await behave({ first_delay_ms: 400, fault: { kind: 'incomplete' } });
    const answer = await compact();
    expect(answer.status).toBe(200);
    const [failed, ...rest] = eventsOf(answer.body);
    expect(rest).toEqual([]);
    expect(failed).toMatchObject({
      type: 'response.failed',
      response: { status: 'failed', error: { message: expect.stringMatching(/could not be compacted/) } },
    });
    expect(await scene.gateway.row(answer.requestId)).toMatchObject({ outcome: 'upstream_error', status: 200 });
  });

  it('is given up when its client leaves, and what was used until then is estimated', async () => {
    await behave({ deltas: 100, delta_delay_ms: 50 });
    const { client, requestId } = await startedCompaction();
    const exchange = scene.simulator.exchanges.at(-1);
    await exchange?.sent(6);
    client.destroy();
    await exchange?.closed;
    expect(exchange?.closedBy).toBe('client');
    expect(await scene.gateway.row(await requestId())).toMatchObject({
      kind: 'compaction',
      outcome: 'client_left',
      settlement: 'estimated',
      client_left_action: 'cancelled',
    });
  });

  it('is brought to its end for a group that drains, for the exact usage', async () => {
    await scene.gateway.admin.patch(`/groups/${scene.issued.group.id}`, { on_client_left: 'drain' });
    await behave({ deltas: 20, delta_delay_ms: 20 });
    const { client, requestId } = await startedCompaction();
    const exchange = scene.simulator.exchanges.at(-1);
    await exchange?.sent(4);
    client.destroy();
    const row = await scene.gateway.row(await requestId());
    await scene.gateway.admin.patch(`/groups/${scene.issued.group.id}`, { on_client_left: 'cancel' });
    expect(row).toMatchObject({ outcome: 'client_left', client_left_action: 'drained', output_tokens: 20 });
  });

  it('is told when an operator ends it, and what was used until then is estimated', async () => {
    await behave({ deltas: 1_000, delta_delay_ms: 50 });
    const reached = scene.simulator.nextExchange();
    const answered = compact();
    const exchange = await reached;
    await exchange.sent(6);
    const { body } = await scene.gateway.admin.get('/requests/in-flight');
    const [open] = (body as OpenRequestList).data;
    expect(open?.kind).toBe('compaction');
    expect((await scene.gateway.admin.post(`/requests/${open?.id}/abort`)).status).toBe(202);
    const answer = await answered;
    await exchange.closed;
    expect(exchange.closedBy).toBe('client');
    // As an error, or in a stream that has been opened meanwhile.
    expect(answer.body.toString()).toContain('"code":"aborted_by_operator"');
    expect(await scene.gateway.row(answer.requestId)).toMatchObject({
      kind: 'compaction',
      outcome: 'aborted',
      settlement: 'estimated',
    });
  });

  it('is told when the gateway ends', async () => {
    const other = await CompactionScene.start({ compaction: 'unknown' }, { compaction: 'emulate' });
    await other.gateway.admin.patch('/settings', {
      compaction_instruction: 'Summarise, please: [[sim {"deltas":10000,"delta_delay_ms":100}]]',
    });
    onTestEnd(() => other.stop());
    const reached = other.simulator.nextExchange();
    const answered = call(other.gateway.url, JSON.stringify(TRIGGERED), { secret: other.issued.secret });
    await reached;
    // The second signal shortens the wait for running answers.
    other.gateway.process.kill('SIGTERM');
    other.gateway.process.kill('SIGINT');
    const answer = await answered;
    expect([answer.status, answer.error?.code]).toEqual([503, 'server_is_overloaded']);
  });
});
