import { randomBytes } from 'node:crypto';
import type { Upstream } from '../../libs/contract/src/index.js';
import { message, MODEL } from '../support/compaction-scene.js';
import { eventually } from '../support/eventually.js';
import { TestGateway } from '../support/gateway.js';
import { leavingCall } from '../support/leaving-client.js';
import { call } from '../support/responses-client.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';

const BODY_BYTES = 2_700_000;
/** By then the gateway has read a body, and waits for its measure. */
const MEASURED_AFTER_MS = 150;

let gateway: TestGateway;
let upstream: ScriptedUpstream;

beforeAll(async () => {
  [gateway, upstream] = await Promise.all([TestGateway.start(), ScriptedUpstream.start()]);
  const { id } = await gateway.admin.create<Upstream>('/upstreams', { name: 'only', base_url: upstream.url });
  // Another name there: each body is copied for the upstream.
  const upstreams = [{ upstream_id: id, upstream_model: 'other-name' }];
  await gateway.admin.create('/models', { name: MODEL, upstreams, context_window_tokens: 1_300_000 });
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

const bodyOf = (text: string): string =>
  JSON.stringify({ model: MODEL, stream: true, store: false, input: [message('user', text)] });
const filled = (mark: string): string => `${mark} `.repeat(Math.ceil(BODY_BYTES / (mark.length + 1)));

it('a client that leaves while its call is measured is not called for, least of all with the body of another', async () => {
  const [leaving, staying] = [await gateway.admin.issueKey(), await gateway.admin.issueKey()];
  await gateway.admin.patch(`/groups/${leaving.group.id}`, { automatic_compaction: true });
  // Texts that take long to count, so that others wait.
  const busy = Array.from({ length: 3 }, () =>
    call(gateway.url, bodyOf(randomBytes(BODY_BYTES / 2).toString('hex')), { secret: leaving.secret }),
  );
  const { secret } = leaving;
  await leavingCall(gateway.url, bodyOf(filled('LEAVING')), { secret, afterMs: MEASURED_AFTER_MS, isReset: true });
  const answer = await call(gateway.url, bodyOf(filled('STAYING')), { secret: staying.secret });
  expect(answer.status).toBe(200);
  await Promise.all(busy);
  const since = upstream.calls.map(({ body }) => /LEAVING|STAYING/.exec(body.toString('latin1', 0, 300))?.[0]);
  expect(since.filter((mark) => mark !== undefined)).toEqual(['STAYING']);
  const row = await eventually('a row of the client that has left', async () => {
    const { body } = await gateway.admin.get(`/requests?group=${leaving.group.id}&outcome=client_left`);
    return (body as { data: object[] }).data[0];
  });
  expect(row).toMatchObject({ status: 499, attempts: 0 });
});
