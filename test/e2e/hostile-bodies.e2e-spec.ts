import type { Simulator } from '../../apps/simulator/src/simulator.js';
import type { TestGateway } from '../support/gateway.js';
import { call } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';

/** A hostile body is refused within this, transport of 10 MiB included. */
const REFUSED_MS_MAX = 1_500;

let scene: Scene;
let gateway: TestGateway;
let simulator: Simulator;
let secret: string;

beforeAll(async () => {
  scene = await startScene();
  ({ gateway, simulator, secret } = scene);
});
afterAll(() => scene.stop());

const send = (body: string | Buffer) => call(gateway.url, body, { secret });
const bodyWith = (json: string) => `{"model":"gpt-5.5","input":"hello","metadata":${json}}`;
const nested = (depth: number) => '['.repeat(depth) + ']'.repeat(depth);

describe('a request body', () => {
  it.each<[string, string]>([
    ['nested 200 deep', bodyWith(nested(200))],
    ['nested 1 000 000 deep', bodyWith(nested(1_000_000))],
    ['nested 1 000 000 deep in objects, never closed', `{"model":"gpt-5.5","input":${'{"a":'.repeat(1_000_000)}`],
    ['of 300 000 values', bodyWith(`[${'0,'.repeat(300_000)}0]`)],
    ['of 10 MiB of tiny objects', bodyWith(`[${'{},'.repeat(3_400_000)}{}]`)],
    ['with the key __proto__', bodyWith('{"__proto__":{"polluted":true}}')],
    ['with the key __proto__ at the top', '{"model":"gpt-5.5","__proto__":{"x":1},"input":"hello"}'],
    ['with an escaped __proto__', bodyWith('{"\\u005f_proto\\u005F_":{"polluted":true}}')],
    ['with __proto__ deep inside', bodyWith('[[{"a":[{"__proto__":null}]}]]')],
    ['with constructor.prototype', bodyWith('{"constructor":{"prototype":{"polluted":true}}}')],
    ['with constructor.prototype behind another key', bodyWith('{"constructor":{"a":[1],"prototype":1}}')],
    ['with constructor.prototype in escapes', bodyWith('{"c\\u006fnstructor":{"prot\\u006ftype":1}}')],
  ])('%s is refused at once, and no upstream sees it', async (_, body) => {
    const before = simulator.exchanges.length;
    const startedAtMs = performance.now();
    const answer = await send(body);
    expect([answer.status, answer.error?.type]).toEqual([400, 'invalid_request_error']);
    expect(answer.error?.code).toBe('invalid_json');
    expect(performance.now() - startedAtMs).toBeLessThan(REFUSED_MS_MAX);
    expect(simulator.exchanges).toHaveLength(before);
    expect(await gateway.row(answer.requestId)).toMatchObject({ outcome: 'client_error', attempts: 0, status: 400 });
  });

  it.each<[string, string]>([
    ['nested 100 deep', bodyWith(nested(100))],
    ['of 150 000 values', bodyWith(`[${'0,'.repeat(150_000)}0]`)],
    ['that speaks of __proto__ in a text', bodyWith('["__proto__",{"a":"__proto__"}]')],
    ['with the key constructor alone', bodyWith('{"constructor":{"a":1},"prototype":{"b":2}}')],
    ['with keys that only look alike', bodyWith('{"__proto":1,"_proto__":2,"__PROTO__":3,"__proto__x":4}')],
    ['with a constructor whose prototype is a value', bodyWith('{"constructor":"prototype"}')],
    ['with 5 MB of one text', `{"model":"gpt-5.5","input":"${'[{'.repeat(2_500_000)}"}`],
  ])('%s goes to the upstream byte for byte', async (_, body) => {
    const exchange = simulator.nextExchange();
    const answer = await send(body);
    expect(answer.status).toBe(200);
    expect((await exchange).body.toString() === body).toBe(true);
  });

  it.each<[string, string | Buffer]>([
    ['empty', ''],
    ['white', ' \n\t '],
    ['an array', '[]'],
    ['a number', '7'],
    ['two values', '{"model":"gpt-5.5"} {}'],
    ['cut', '{"model":"gpt-5.5","input":"hel'],
    ['with a lone surrogate escape as model', '{"model":"\\ud800","input":'],
    ['with a bare control character', '{"model":"gpt-5.5\u0001"'],
    ['of NUL bytes', Buffer.alloc(1000)],
    ['UTF-16', Buffer.from('{"model":"gpt-5.5","input":"x"}', 'utf16le')],
    ['HTML', '<html></html>'],
  ])('that is %s is a 400', async (_, body) => {
    const answer = await send(body);
    expect([answer.status, answer.error?.type]).toEqual([400, 'invalid_request_error']);
  });
});
