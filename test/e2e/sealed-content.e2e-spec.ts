import { Simulator } from '../../apps/simulator/src/simulator.js';
import type { Upstream } from '../../libs/contract/src/index.js';
import { TestGateway } from '../support/gateway.js';
import { type Answer, call, callBody } from '../support/responses-client.js';

const NAMES = ['east', 'west'] as const;

let gateway: TestGateway;
const simulators = new Map<string, Simulator>();
const upstreamIds = new Map<string, string>();
/** Of a group that strips, which is how groups are from the start, and of one that refuses. */
let strippingSecret: string;
let refusingSecret: string;

beforeAll(async () => {
  gateway = await TestGateway.start();
  for (const name of NAMES) {
    const simulator = await Simulator.start({ name });
    simulators.set(name, simulator);
    const { id } = await gateway.admin.create<Upstream>('/upstreams', { name, base_url: simulator.baseUrl });
    upstreamIds.set(name, id);
  }
  const [stripping, refusing] = [await gateway.admin.issueKey(), await gateway.admin.issueKey()];
  await gateway.admin.patch(`/groups/${refusing.group.id}`, { encrypted_content_on_move: 'refuse' });
  strippingSecret = stripping.secret;
  refusingSecret = refusing.secret;
});
afterAll(async () => {
  await gateway.stop();
  await Promise.all([...simulators.values()].map((simulator) => simulator.close()));
});
afterEach(async () => {
  for (const id of upstreamIds.values()) await gateway.admin.post(`/upstreams/${id}/reset`);
});

interface Turn {
  maker: string;
  blob: string;
  output: object[];
}

const fields = (session: string, stream: boolean) => ({
  prompt_cache_key: session,
  include: ['reasoning.encrypted_content'],
  store: false,
  stream,
});

/** A first turn, whose answer holds sealed reasoning. */
async function think(session: string, secret: string, stream: boolean): Promise<Turn> {
  const body = callBody('hello [[sim {"reasoning":true}]]', fields(session, stream));
  const answer = await call(gateway.url, body, { secret });
  expect(answer.status).toBe(200);
  const text = answer.body.toString();
  const lines = text.trimEnd().split('\n');
  const response = stream ? JSON.parse(lines.at(-1)?.slice('data: '.length) ?? '').response : JSON.parse(text);
  const output = response.output as { type: string; encrypted_content?: string }[];
  const blob = output.find(({ type }) => type === 'reasoning')?.encrypted_content ?? '';
  expect(blob).toMatch(/^gAAAAAB/);
  const maker = (await gateway.row(answer.requestId)).upstream_name ?? '';
  return { maker, blob, output };
}

/** The next turn, with the history of the last, under a session of any name. */
function goOn({ output }: Turn, session: string, secret: string): Promise<Answer> {
  const input = [{ role: 'user', content: 'hello' }, ...output, { role: 'user', content: 'and now?' }];
  const body = JSON.stringify({ model: 'gpt-5.5', input, ...fields(session, true) });
  return call(gateway.url, body, { secret });
}

const otherThan = (maker: string) => NAMES.find((name) => name !== maker) ?? '';
const lastBodyAt = (name: string) => simulators.get(name)?.exchanges.at(-1)?.body.toString() ?? '';

describe('encrypted content', () => {
  it.each([
    ['a stream', true],
    ['an answer in one piece', false],
  ])('that came in %s goes to the upstream that made it, whatever the session is called', async (_, stream) => {
    const turn = await think('maker', strippingSecret, stream);
    for (let count = 0; count < 10; count++) {
      const answer = await goOn(turn, `other-${count}`, strippingSecret);
      expect(answer.status).toBe(200);
      expect(await gateway.row(answer.requestId)).toMatchObject({ upstream_name: turn.maker, attempts: 1 });
      expect(lastBodyAt(turn.maker)).toContain(turn.blob);
    }
  });

  it('is taken out when its upstream is gone, and the session goes on elsewhere', async () => {
    const turn = await think('stripped', strippingSecret, true);
    await gateway.admin.post(`/upstreams/${upstreamIds.get(turn.maker)}/trip`);
    const answer = await goOn(turn, 'stripped', strippingSecret);
    expect(answer.status).toBe(200);
    const other = otherThan(turn.maker);
    expect(await gateway.row(answer.requestId)).toMatchObject({ upstream_name: other, outcome: 'ok' });
    expect(lastBodyAt(other)).not.toContain(turn.blob);
    const sent = JSON.parse(lastBodyAt(other)) as { input: { content?: unknown }[] };
    expect(sent.input[0]).toEqual({ role: 'user', content: 'hello' });
    expect(sent.input.at(-1)).toEqual({ role: 'user', content: 'and now?' });
    expect(JSON.stringify(sent)).toContain('I am a simulated upstream');
  });

  it('is taken out, too, when its upstream fails under the call', async () => {
    const turn = await think('failing', strippingSecret, true);
    const maker = simulators.get(turn.maker) as Simulator;
    const { port } = new URL(maker.url);
    await maker.close();
    const answer = await goOn(turn, 'failing', strippingSecret);
    simulators.set(turn.maker, await Simulator.start({ name: turn.maker, port: Number(port) }));
    expect(answer.status).toBe(200);
    expect(await gateway.row(answer.requestId)).toMatchObject({ upstream_name: otherThan(turn.maker), attempts: 2 });
  });

  it('is refused instead, for a group that wants that', async () => {
    const turn = await think('refused', refusingSecret, true);
    await gateway.admin.post(`/upstreams/${upstreamIds.get(turn.maker)}/trip`);
    const other = simulators.get(otherThan(turn.maker));
    const before = other?.exchanges.length;
    const answer = await goOn(turn, 'refused', refusingSecret);
    expect(answer.status).toBeGreaterThanOrEqual(400);
    expect(answer.error?.message).toMatch(/\w/);
    expect(other?.exchanges).toHaveLength(before ?? 0);
    const row = await gateway.row(answer.requestId);
    expect(row.outcome).not.toBe('gateway_error');
  });

  it('that nobody knows is passed on as it is: the upstream decides', async () => {
    const foreign: Turn = {
      maker: '',
      blob: '',
      output: [{ type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: 'gAAAAABfromAnotherWorld' }],
    };
    const answer = await goOn(foreign, 'foreign', strippingSecret);
    expect([answer.status, answer.error?.code]).toEqual([400, 'invalid_encrypted_content']);
  });
});
