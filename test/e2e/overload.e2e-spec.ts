import { directive, type Simulator } from '../../apps/simulator/src/simulator.js';
import { eventually } from '../support/eventually.js';
import type { TestGateway } from '../support/gateway.js';
import { call, callBody } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';

let scene: Scene;
let gateway: TestGateway;
let simulator: Simulator;
let secret: string;

beforeAll(async () => {
  scene = await startScene({ gateway: { env: { MAX_IN_FLIGHT: '5' } } });
  ({ gateway, simulator, secret } = scene);
});
afterAll(() => scene.stop());

const held = callBody(`hold ${directive({ hold_after_events: 1 })}`);
const session = { 'session-id': '01a202ed-f389-7702-ab97-15c928fff61f' };

describe('a gateway that has as much to do as it may', () => {
  it('turns new requests away, keeps room for sessions, answers operators, and cuts nothing that has begun', async () => {
    const running = Array.from({ length: 4 }, () => call(gateway.url, held, { secret }));
    await eventually('four that run', () => simulator.exchanges.length === 4 || undefined);

    const shed = await call(gateway.url, callBody('hi'), { secret });
    expect(shed.status).toBe(503);
    expect(shed.error).toMatchObject({ type: 'server_is_overloaded', code: 'server_is_overloaded' });
    expect(shed.headers['retry-after']).toMatch(/^[1-5]$/);
    expect(await gateway.row(shed.requestId)).toMatchObject({
      status: 503,
      outcome: 'gateway_error',
      error_code: 'server_is_overloaded',
      error_message: 'shed: in_flight',
      attempts: 0,
      cost_usd: '0',
    });
    expect(simulator.exchanges).toHaveLength(4);
    expect((await call(gateway.url, callBody('hi'), { secret: 'sk-tg-wrong' })).status).toBe(401);

    // The fifth place is for sessions, and there is no sixth.
    running.push(call(gateway.url, held, { secret, headers: session }));
    await eventually('five that run', () => simulator.exchanges.length === 5 || undefined);
    expect((await call(gateway.url, callBody('hi'), { secret, headers: session })).status).toBe(503);

    for (const path of ['/livez', '/readyz']) expect((await fetch(`${gateway.url}${path}`)).status).toBe(200);
    expect((await gateway.admin.get('/keys')).status).toBe(200);
    expect(await gateway.metric('tollgate_requests_shed_total{reason="in_flight"}')).toBe(2);
    expect(await gateway.metric('tollgate_overloaded')).toBe(0);

    simulator.release();
    for (const answer of await Promise.all(running)) {
      expect(answer.status).toBe(200);
      expect(answer.body.toString()).toContain('response.completed');
    }
    const after = await eventually('room', async () => {
      const answer = await call(gateway.url, callBody('hi'), { secret });
      return answer.status === 200 ? answer : undefined;
    });
    expect(after.status).toBe(200);
  });
});
