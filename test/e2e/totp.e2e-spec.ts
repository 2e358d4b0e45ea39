import { randomBytes } from 'node:crypto';
import { Secret, TOTP } from 'otpauth';
import type { Operator, PendingTotp, Problem, RecoveryCodes } from '../../libs/contract/src/index.js';
import type { AdminAnswer } from '../support/admin-client.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { MASTER_KEY, TestGateway } from '../support/gateway.js';
import { OperatorClient, PASSWORD, send } from '../support/operator-client.js';

/** Nobody waits here for the minute to pass. */
const MANY = { SIGN_INS_PER_MINUTE: '1000' };

let database: TestDatabase;
let gateway: TestGateway;
/** Another replica. */
let other: TestGateway;
let owner: OperatorClient;

beforeAll(async () => {
  database = await createDatabase();
  gateway = await TestGateway.start({ env: MANY, database });
  owner = await OperatorClient.firstOwner(gateway);
  other = await TestGateway.start({ env: MANY, database });
});
afterAll(async () => {
  await other.stop();
  await gateway.stop();
  await database.drop();
});

const code = ({ body }: AdminAnswer) => (body as Problem).code;
/** Of the next step: it is good for half a minute at least, however slow the machine is. */
const codeOf = (secret: string) =>
  new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: Date.now() + 30_000 });
const signIn = (email: string, factor: object = {}, url = gateway.url) =>
  send(url, 'POST', '/session', { email, password: PASSWORD, ...factor }, {});
/** As if the steps of all codes that were used had gone by. */
const forgetUsedCodes = () => database.query('UPDATE operator_totps SET last_step = 0');

/** Somebody with a second factor. */
async function enrolled(role: 'viewer' | 'admin' | 'owner' = 'viewer') {
  const { client, operator } = await owner.invite(role);
  const pending = (await client.call('POST', '/session/totp', { current_password: PASSWORD })).body as PendingTotp;
  const confirmed = await client.call('POST', '/session/totp/confirm', { code: codeOf(pending.secret) });
  expect(confirmed.status).toBe(200);
  await forgetUsedCodes();
  const { recovery_codes: recoveryCodes } = confirmed.body as RecoveryCodes;
  return { client, operator, email: operator.email, secret: pending.secret, recoveryCodes };
}

describe('a second factor', () => {
  it('is asked for from when it is confirmed, of whoever has the password and of nobody else', async () => {
    const { client, operator } = await owner.invite('viewer');
    const { email } = operator;
    const wrong = await client.call('POST', '/session/totp', { current_password: 'x' });
    expect([wrong.status, (wrong.body as Problem).errors?.[0]?.path]).toEqual([422, 'current_password']);
    const pending = await client.call('POST', '/session/totp', { current_password: PASSWORD });
    const { secret, otpauth_url: url } = pending.body as PendingTotp;
    expect(url).toContain(`secret=${secret}`);
    expect((await signIn(email)).status).toBe(200);
    expect((await client.call('POST', '/session/totp/confirm', { code: 'no code' })).status).toBe(422);
    expect((await signIn(email)).status).toBe(200);

    const elsewhere = await OperatorClient.signIn(gateway.url, email);
    const confirmed = await client.call('POST', '/session/totp/confirm', { code: codeOf(secret) });
    expect((confirmed.body as RecoveryCodes).recovery_codes).toHaveLength(10);
    expect(((await client.get('/session')).body as { operator: Operator }).operator.totp_enabled).toBe(true);
    expect((await elsewhere.get('/session')).status).toBe(401);

    const without = await signIn(email);
    expect([without.status, code(without), without.headers.getSetCookie()]).toEqual([401, 'totp_required', []]);
    const guessed = await send(gateway.url, 'POST', '/session', { email, password: 'x', totp: codeOf(secret) }, {});
    expect([guessed.status, code(guessed)]).toEqual([401, 'wrong_password']);
    await forgetUsedCodes();
    expect((await signIn(email, { totp: codeOf(secret) })).status).toBe(200);
  });

  it('is begun once, and anew only when it was switched off', async () => {
    const { client, email, secret } = await enrolled();
    expect((await client.call('POST', '/session/totp', { current_password: PASSWORD })).status).toBe(409);
    expect((await client.call('POST', '/session/totp/confirm', { code: codeOf(secret) })).status).toBe(409);
    const wrong = await client.call('DELETE', '/session/totp', { code: 'no code' });
    expect([wrong.status, (wrong.body as Problem).errors?.[0]?.path]).toEqual([422, 'code']);
    expect((await client.call('DELETE', '/session/totp', { code: codeOf(secret) })).status).toBe(204);
    expect((await signIn(email)).status).toBe(200);
    expect((await client.call('DELETE', '/session/totp', { code: codeOf(secret) })).status).toBe(409);
  });

  it('is for who has signed in, not for tokens', async () => {
    const answer = await gateway.admin.post('/session/totp', { current_password: PASSWORD });
    expect(answer.status).toBe(409);
  });

  it('is stored sealed, its recovery codes hashed, and none of it is in the audit log', async () => {
    const { operator, secret, recoveryCodes } = await enrolled();
    expect((await owner.call('POST', `/operators/${operator.id}/totp/reset`)).status).toBe(200);
    const again = await enrolled();
    const tables = JSON.stringify([
      await database.query(`SELECT encode(secret_sealed, 'escape') AS sealed, * FROM operator_totps`),
      await database.query('SELECT * FROM operators'),
      await database.query('SELECT * FROM audit_entries'),
    ]);
    for (const told of [secret, ...recoveryCodes, again.secret, ...again.recoveryCodes]) {
      expect(tables).not.toContain(told);
      expect(gateway.output()).not.toContain(told);
    }
    const entries = await database.query<{ action: string; actor: string }>(
      `SELECT action, actor FROM audit_entries WHERE action LIKE '%totp' AND after->>'email' = '${operator.email}' ORDER BY at`,
    );
    expect(entries).toEqual([
      { action: 'operator.enable_totp', actor: operator.email },
      { action: 'operator.reset_totp', actor: 'owner@example.com' },
    ]);
  });
});

describe('a code', () => {
  it('lets in once, whichever replica is asked', async () => {
    const { email, secret } = await enrolled();
    const totp = codeOf(secret);
    const answers = await Promise.all([gateway, other, gateway, other].map(({ url }) => signIn(email, { totp }, url)));
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 401, 401, 401]);
    const replayed = await signIn(email, { totp }, other.url);
    expect([replayed.status, code(replayed)]).toEqual([401, 'wrong_code']);
  });

  it('of the step before one that was used lets nobody in', async () => {
    const { email, secret } = await enrolled();
    const before = new TOTP({ secret: Secret.fromBase32(secret) }).generate();
    expect((await signIn(email, { totp: codeOf(secret) })).status).toBe(200);
    expect(code(await signIn(email, { totp: before }))).toBe('wrong_code');
  });

  it('that is wrong has whoever guesses wait, and a sign-in without a code does not forgive that', async () => {
    const { email, secret } = await enrolled();
    const answer = await eventually('a wait', async () => {
      expect([401, 429]).toContain((await signIn(email)).status);
      const next = await signIn(email, { totp: 'no code' });
      return next.status === 429 ? next : undefined;
    });
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
    expect((await signIn(email, { totp: codeOf(secret) })).status).toBe(429);
  });
});

describe('a recovery code', () => {
  it('lets in once, however it is typed, and then the next one does', async () => {
    const { email, recoveryCodes } = await enrolled();
    const [first = '', second = '', third = ''] = recoveryCodes;
    const answers = await Promise.all(
      [gateway, other, gateway].map(({ url }) => signIn(email, { recovery_code: first }, url)),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 401, 401]);
    const typed = second.toUpperCase().replaceAll('-', ' ');
    expect((await signIn(email, { recovery_code: typed })).status).toBe(200);
    const signedIn = await signIn(email, { recovery_code: third });
    expect(signedIn.status).toBe(200);
    expect(code(await signIn(email, { recovery_code: third }))).toBe('wrong_code');
  });

  it('switches the second factor off, of whoever has lost it', async () => {
    const { client, email, recoveryCodes } = await enrolled();
    expect((await client.call('DELETE', '/session/totp', { code: recoveryCodes[4] })).status).toBe(204);
    expect((await signIn(email)).status).toBe(200);
    expect(code(await signIn(email, { recovery_code: recoveryCodes[5] }))).toBeUndefined();
  });
});

describe('a second factor that is lost', () => {
  it('is taken away by somebody who may do as much, and the sessions with it', async () => {
    const { client, operator, email } = await enrolled('owner');
    const { client: admin } = await owner.invite('admin');
    const { client: viewer } = await owner.invite('viewer');
    const path = `/operators/${operator.id}/totp/reset`;
    expect(code(await admin.call('POST', path))).toBe('not_granted');
    expect((await viewer.call('POST', path)).status).toBe(403);
    // Nor by its owner, without a code.
    for (const way of ['totp/reset', 'invite']) {
      expect((await client.call('POST', `/operators/${operator.id}/${way}`)).status).toBe(409);
    }
    expect(code(await signIn(email))).toBe('totp_required');
    const reset = await owner.call('POST', path);
    expect([reset.status, (reset.body as Operator).totp_enabled]).toEqual([200, false]);
    expect((await client.get('/session')).status).toBe(401);
    expect((await signIn(email)).status).toBe(200);
    await owner.call('DELETE', `/operators/${operator.id}`);
    expect((await owner.call('POST', path)).status).toBe(404);
  });

  it('goes with the password of whoever is invited once more', async () => {
    const { operator, email } = await enrolled();
    const invited = await owner.call('POST', `/operators/${operator.id}/invite`);
    const { setup_token: token } = invited.body as { setup_token: string };
    await OperatorClient.setUp(gateway.url, { token, password: PASSWORD });
    expect((await signIn(email)).status).toBe(200);
  });
});

// The last one: the gateways that were started before it have the old key.
describe('a change of MASTER_KEY', () => {
  it('leaves every second factor as it was', async () => {
    const { email, secret } = await enrolled();
    const key = randomBytes(32).toString('base64');
    const changed = await TestGateway.start({
      env: { ...MANY, MASTER_KEY: key, MASTER_KEY_PREVIOUS: MASTER_KEY },
      database,
    });
    try {
      expect((await signIn(email, { totp: codeOf(secret) }, changed.url)).status).toBe(200);
    } finally {
      await changed.stop();
    }
  });
});
