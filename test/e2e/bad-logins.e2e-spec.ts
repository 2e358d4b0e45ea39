import { eventually } from '../support/eventually.js';
import { OperatorClient, send } from '../support/operator-client.js';
import { call, callBody } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';

const ATTEMPTS = 300;
/** Of which the rest is refused without a look at the password. */
const LOOKED_AT = 100;
/** One hash takes 19 MiB: a hundred at once would be two gigabytes. */
const GROWTH_BYTES_MAX = 300 * 1024 * 1024;

let scene: Scene;

beforeAll(async () => {
  scene = await startScene({ gateway: { env: { SIGN_INS_PER_MINUTE: String(LOOKED_AT) } } });
});
afterAll(() => scene.stop());

describe('300 bad passwords at once', () => {
  it('are all answered, take little memory, and keep no call waiting for them', async () => {
    const { gateway, secret } = scene;
    const owner = await OperatorClient.firstOwner(gateway);
    const resident = () => gateway.metric('process_resident_memory_bytes');
    const before = await resident();
    let answered = 0;
    const attempts = Array.from({ length: ATTEMPTS }, async (_, index) => {
      const email = `somebody-${index}@example.com`;
      const { status } = await send(gateway.url, 'POST', '/session', { email, password: 'not the right one' }, {});
      answered++;
      return status;
    });
    const sizes: number[] = [];
    await eventually('an answer to all of them', async () => {
      const { status } = await call(gateway.url, callBody('hi', { stream: false }), { secret });
      expect(status).toBe(200);
      sizes.push(await resident());
      return answered === ATTEMPTS ? true : undefined;
    });
    const statuses = await Promise.all(attempts);
    expect(new Set(statuses)).toEqual(new Set([401, 429]));
    // The one that is checked and those that wait, and one more for each that was done meanwhile.
    const checked = statuses.filter((status) => status === 401).length;
    expect(checked).toBeGreaterThanOrEqual(21);
    expect(checked).toBeLessThanOrEqual(LOOKED_AT);
    expect(Math.max(...sizes) - before).toBeLessThan(GROWTH_BYTES_MAX);
    expect((await owner.get('/session')).status).toBe(200);
  });
});
