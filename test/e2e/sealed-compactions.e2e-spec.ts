import type { Upstream } from '../../libs/contract/src/index.js';
import { Simulator } from '../../apps/simulator/src/simulator.js';
import type { Issued } from '../support/admin-client.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { MASTER_KEY, TestGateway } from '../support/gateway.js';
import { type Answer, call } from '../support/responses-client.js';

const NEW_MASTER_KEY = Buffer.alloc(32, 8).toString('base64');
const UPSTREAM_CREDENTIAL = 'sk-upstream-of-the-operator';
const CONVERSATION = [
  { role: 'user', content: 'What was said?' },
  { role: 'assistant', content: 'That FACT-ONE is seven.' },
];

let database: TestDatabase;
let simulator: Simulator;
let gateway: TestGateway;
let groupA: Issued;
let groupB: Issued;
/** Of group A. */
let sealed: string;

beforeAll(async () => {
  [database, simulator] = await Promise.all([
    createDatabase(),
    Simulator.start({ compaction: 'unknown', isStrict: true }),
  ]);
  gateway = await TestGateway.start({ database });
  await gateway.admin.create<Upstream>('/upstreams', {
    name: 'only',
    base_url: simulator.baseUrl,
    credential: UPSTREAM_CREDENTIAL,
  });
  [groupA, groupB] = [await gateway.admin.issueKey(), await gateway.admin.issueKey()];
  sealed = await compactedBy(groupA);
});
afterAll(async () => {
  await gateway.stop();
  await Promise.all([database.drop(), simulator.close()]);
});

async function compactedBy({ secret }: Issued): Promise<string> {
  const body = JSON.stringify({ model: 'gpt-5.5', input: CONVERSATION });
  const answer = await call(gateway.url, body, { secret, path: '/v1/responses/compact' });
  const { output } = JSON.parse(answer.body.toString()) as { output: { encrypted_content?: string }[] };
  return output.find(({ encrypted_content: content }) => content !== undefined)?.encrypted_content ?? '';
}

function goOn(encryptedContent: string, { secret }: Issued, path = '/v1/responses'): Promise<Answer> {
  const compaction = { type: 'compaction', encrypted_content: encryptedContent };
  const input = [{ role: 'user', content: 'What was said?' }, compaction, { role: 'user', content: 'And now?' }];
  return call(gateway.url, JSON.stringify({ model: 'gpt-5.5', input, store: false }), { secret, path });
}

const lastBody = () => simulator.exchanges.at(-1)?.body.toString() ?? '';

/** What is answered to a compaction that does not open, and that no upstream has heard of it. */
async function expectRefused(encryptedContent: string, issued: Issued, reason: RegExp): Promise<void> {
  const before = simulator.exchanges.length;
  for (const path of ['/v1/responses', '/v1/responses/compact', '/v1/responses/input_tokens']) {
    const answer = await goOn(encryptedContent, issued, path);
    expect(answer.status).toBe(400);
    expect(answer.error).toEqual({
      message: expect.stringMatching(reason),
      type: 'invalid_request_error',
      param: 'input[1].encrypted_content',
      code: 'invalid_encrypted_content',
    });
  }
  expect(simulator.exchanges).toHaveLength(before);
}

describe('a sealed compaction', () => {
  it('is opened for the group that it was made for, on every route', async () => {
    for (const path of ['/v1/responses', '/v1/responses/compact', '/v1/responses/input_tokens']) {
      expect((await goOn(sealed, groupA, path)).status).toBe(200);
      expect(lastBody()).toContain('FACT-ONE is seven');
      expect(lastBody()).not.toContain('tgc1.');
    }
  });

  it('of another group is refused as one that was changed is', () =>
    expectRefused(sealed, groupB, /The compaction at input\[1\] cannot be opened/));

  it('does not open when a single byte was changed', async () => {
    for (const at of [5, 10, 20, 40, Math.floor(sealed.length / 2), sealed.length - 2]) {
      const changed = sealed.slice(0, at) + (sealed[at] === 'A' ? 'B' : 'A') + sealed.slice(at + 1);
      await expectRefused(changed, groupA, /cannot be opened/);
    }
  });

  it.each([
    ['cut off', () => sealed.slice(0, 30)],
    ['empty', () => 'tgc1.'],
    ['not base64', () => 'tgc1.!!!'],
    ['longer than it was', () => `${sealed}AAAA`],
  ])('does not open when it is %s', (_, spoilt) => expectRefused(spoilt(), groupA, /cannot be opened/));

  it('is recognised by whatever JSON it is written in', async () => {
    const { secret } = groupB;
    const body = `{"model":"gpt-5.5","input":[{"encrypted_content":"\\u0074gc1.${sealed.slice(5)}","type":"compaction"}]}`;
    const before = simulator.exchanges.length;
    const answer = await call(gateway.url, body, { secret });
    expect([answer.status, answer.error?.param]).toEqual([400, 'input[0].encrypted_content']);
    expect(simulator.exchanges).toHaveLength(before);
  });

  it('opens after a change of the MASTER_KEY, and so do the credentials of upstreams and stored bodies', async () => {
    await gateway.admin.patch(`/keys/${groupA.key.id}`, { body_policy: { capture: 'always' } });
    const { requestId } = await goOn(sealed, groupA);
    const stored = await eventually('a body', async () => {
      const answer = await gateway.admin.get(`/requests/${requestId}/body`);
      return answer.status === 200 ? answer.body : undefined;
    });
    await gateway.stop();
    const both = { MASTER_KEY: NEW_MASTER_KEY, MASTER_KEY_PREVIOUS: MASTER_KEY };
    gateway = await TestGateway.start({ database, env: both });
    expect((await goOn(sealed, groupA)).status).toBe(200);
    await gateway.stop();
    // The old key is needed for one start only.
    gateway = await TestGateway.start({ database, env: { MASTER_KEY: NEW_MASTER_KEY } });
    expect((await goOn(sealed, groupA)).status).toBe(200);
    expect(lastBody()).toContain('FACT-ONE is seven');
    expect((await gateway.admin.get(`/requests/${requestId}/body`)).body).toEqual(stored);
    expect(simulator.exchanges.at(-1)?.headers.authorization).toBe(`Bearer ${UPSTREAM_CREDENTIAL}`);
    const renewed = await compactedBy(groupA);
    expect((await goOn(renewed, groupA)).status).toBe(200);
    await expectRefused(renewed, groupB, /cannot be opened/);
  });

  it('of a gateway with another key does not open', async () => {
    await gateway.stop();
    const other = await createDatabase();
    gateway = await TestGateway.start({ database: other });
    const issued = await gateway.admin.issueKey({ upstreamBaseUrl: simulator.baseUrl });
    await expectRefused(sealed, issued, /cannot be opened/);
    await gateway.stop();
    await other.drop();
    gateway = await TestGateway.start({ database, env: { MASTER_KEY: NEW_MASTER_KEY } });
  });
});
