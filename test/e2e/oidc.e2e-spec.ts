import type { CurrentPrincipal, Operator, Page, Problem } from '../../libs/contract/src/index.js';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { TestGateway } from '../support/gateway.js';
import { Browser, type BrowserPage, OIDC_CLIENT, PUBLIC_CLIENT_ID, TestOidcProvider } from '../support/oidc-login.js';
import { OperatorClient, send } from '../support/operator-client.js';

const SESSION = '__Host-tollgate';
const LOGIN = '__Host-tollgate-oidc';
const CALLBACK = /\/admin\/v1\/oidc\/callback\?/;

let database: TestDatabase;
let provider: TestOidcProvider;
/** Lets in whom somebody has invited. */
let gateway: TestGateway;
/** Makes viewers of everybody at example.com, and has no secret that the provider would know. */
let open: TestGateway;
let owner: OperatorClient;

beforeAll(async () => {
  [database, provider] = await Promise.all([createDatabase(), TestOidcProvider.start()]);
  const env = { SIGN_INS_PER_MINUTE: '1000', OIDC_ISSUER: provider.issuer };
  const { client_id: id, client_secret: secret } = OIDC_CLIENT;
  gateway = await TestGateway.start({ database, env: { ...env, OIDC_CLIENT_ID: id, OIDC_CLIENT_SECRET: secret } });
  owner = await OperatorClient.firstOwner(gateway);
  const newcomers = { OIDC_DEFAULT_ROLE: 'viewer', OIDC_ALLOWED_DOMAINS: 'example.com' };
  open = await TestGateway.start({ database, env: { ...env, OIDC_CLIENT_ID: PUBLIC_CLIENT_ID, ...newcomers } });
  await provider.serve([gateway.url, open.url]);
});
afterAll(async () => {
  await open.stop();
  await gateway.stop();
  await provider.stop();
  await database.drop();
});

const loginOf = (url: string) => `${url}/admin/v1/oidc/login`;
const sessionOf = (browser: Browser, url = gateway.url) =>
  send(url, 'GET', '/session', undefined, { cookie: `${SESSION}=${browser.cookie(url, SESSION) ?? ''}` });

/** Somebody who is invited, and whom the provider knows by the same address. */
async function invited(account: string): Promise<Operator> {
  const email = `${account}@example.com`;
  await provider.setAccounts({ [account]: { email, email_verified: true, name: 'As the provider says' } });
  const answer = await owner.call('POST', '/operators', { name: account, email, role: 'viewer' });
  expect(answer.status).toBe(201);
  return answer.body as Operator;
}

async function signIn(account: string, url = gateway.url): Promise<{ browser: Browser; page: BrowserPage }> {
  const browser = new Browser();
  return { browser, page: await browser.follow(loginOf(url), account) };
}

function expectRefused({ browser, page }: { browser: Browser; page: BrowserPage }, status: number, text: RegExp): void {
  expect([page.status, page.headers.get('content-type')]).toEqual([status, 'text/html; charset=utf-8']);
  expect(page.text).toMatch(text);
  expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
  expect(browser.cookie(page.url, SESSION)).toBeUndefined();
}

describe('an operator whom the provider knows', () => {
  it('signs in, and is led to the console by a page of the same site', async () => {
    const operator = await invited('ann');
    const { browser, page } = await signIn('ann');
    expect([page.status, new URL(page.url).pathname]).toEqual([200, '/admin/v1/oidc/callback']);
    expect(page.text).toContain('<meta http-equiv="refresh" content="0; url=/console">');
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
    const cookies = page.headers.getSetCookie();
    expect(cookies.find((one) => one.startsWith(`${SESSION}=`))).toContain('SameSite=Strict');
    expect(browser.cookie(gateway.url, LOGIN)).toBeUndefined();
    const principal = (await sessionOf(browser)).body as CurrentPrincipal;
    expect(principal).toMatchObject({ kind: 'session', actor: 'ann@example.com', operator: { id: operator.id } });
    // What the provider says does not change what the owner has said.
    expect(principal.operator).toMatchObject({ name: 'ann', role: 'viewer', has_password: false });
  });

  it('is asked for with PKCE, state and nonce, and brings a cookie that no script reads', async () => {
    const page = await new Browser().open(loginOf(gateway.url));
    expect(page.status).toBe(302);
    const { searchParams, origin } = new URL(page.headers.get('location') ?? '');
    expect(origin).toBe(provider.issuer);
    expect(Object.fromEntries(searchParams)).toEqual({
      client_id: OIDC_CLIENT.client_id,
      redirect_uri: `${gateway.url}/admin/v1/oidc/callback`,
      response_type: 'code',
      scope: 'openid email profile',
      state: expect.stringMatching(/^[\w-]{43}$/),
      nonce: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge: expect.stringMatching(/^[\w-]{43}$/),
      code_challenge_method: 'S256',
    });
    const [cookie = ''] = page.headers.getSetCookie();
    for (const attribute of ['Max-Age=600', 'Path=/', 'HttpOnly', 'Secure', 'SameSite=Lax']) {
      expect(cookie).toContain(attribute);
    }
    for (const name of ['state', 'nonce']) expect(cookie).not.toContain(searchParams.get(name));
  });

  it('is found by what the provider calls him, whatever his address has become', async () => {
    const operator = await invited('bob');
    expect((await signIn('bob')).page.status).toBe(200);
    await provider.setAccounts({ bob: { email: 'robert@elsewhere.example', email_verified: false } });
    const { browser } = await signIn('bob');
    expect((await sessionOf(browser)).body).toMatchObject({ operator: { id: operator.id, email: 'bob@example.com' } });
  });

  it('is not found by somebody who was given his address, until he is invited once more', async () => {
    const operator = await invited('carol');
    expect((await signIn('carol')).page.status).toBe(200);
    await provider.setAccounts({ 'carol-2': { email: 'carol@example.com', email_verified: true } });
    expectRefused(await signIn('carol-2'), 403, /by another account of this provider/);
    expect((await owner.call('POST', `/operators/${operator.id}/invite`)).status).toBe(200);
    const { browser } = await signIn('carol-2');
    expect((await sessionOf(browser)).body).toMatchObject({ operator: { id: operator.id } });
  });

  it('is refused while disabled, at his first login and afterwards', async () => {
    const operator = await invited('dave');
    const set = (enabled: boolean) => owner.call('PATCH', `/operators/${operator.id}`, { enabled });
    await set(false);
    expectRefused(await signIn('dave'), 403, /Ask an owner or an admin to enable you/);
    await set(true);
    expect((await signIn('dave')).page.status).toBe(200);
    await set(false);
    expectRefused(await signIn('dave'), 403, /Ask an owner or an admin to enable you/);
  });

  it('leaves in the audit log who came, and no secret anywhere', async () => {
    await invited('erin');
    const browser = new Browser();
    const { url } = await browser.follow(loginOf(gateway.url), 'erin', CALLBACK);
    const pending = browser.cookie(gateway.url, LOGIN) ?? '';
    expect((await browser.open(url)).status).toBe(200);
    const entries = await database.query<{ action: string }>(
      `SELECT * FROM audit_entries WHERE actor = 'erin@example.com' ORDER BY at, id`,
    );
    expect(entries.map(({ action }) => action)).toEqual(['operator.bind_identity', 'operator.sign_in_by_oidc']);
    const secrets = [new URL(url).searchParams.get('code') ?? '', pending, OIDC_CLIENT.client_secret];
    for (const secret of secrets) {
      expect(secret.length).toBeGreaterThan(20);
      expect(JSON.stringify(entries) + gateway.output()).not.toContain(secret);
    }
  });
});

describe('somebody whom nobody has invited', () => {
  it('is refused, or gets the role that is set for such people', async () => {
    await provider.setAccounts({ frank: { email: 'Frank@example.com', email_verified: true, name: 'Frank F.' } });
    expectRefused(await signIn('frank'), 403, /Ask an owner or an admin to invite you/);
    const { data: before } = (await owner.get('/operators')).body as Page<Operator>;
    expect(before.map(({ email }) => email)).not.toContain('frank@example.com');

    const { browser } = await signIn('frank', open.url);
    expect((await sessionOf(browser, open.url)).body).toMatchObject({
      operator: { email: 'frank@example.com', name: 'Frank F.', role: 'viewer', permissions: [] },
    });
    const { data } = (await owner.get('/operators')).body as Page<Operator>;
    expect(data.filter(({ email }) => email === 'frank@example.com')).toHaveLength(1);
  });

  it('is one operator, however many tabs come back at once', async () => {
    await provider.setAccounts({ grace: { email: 'grace@example.com', email_verified: true } });
    const logins = await Promise.all([1, 2, 3].map(() => signIn('grace', open.url)));
    expect(logins.map(({ page }) => page.status)).toEqual([200, 200, 200]);
    const ids = await Promise.all(
      logins.map(async ({ browser }) => ((await sessionOf(browser, open.url)).body as CurrentPrincipal).operator?.id),
    );
    expect(new Set(ids).size).toBe(1);
  });

  it('is refused with an address of another domain', async () => {
    await provider.setAccounts({ heidi: { email: 'heidi@example.org', email_verified: true } });
    expectRefused(await signIn('heidi', open.url), 403, /OIDC_ALLOWED_DOMAINS/);
  });

  it.each([
    ['not verified', { email: 'owner@example.com', email_verified: false }, /Have it verified there/],
    ['not said to be verified', { email: 'owner@example.com' }, /Have it verified there/],
    ['not told', { email_verified: true }, /Have the scope email in OIDC_SCOPES/],
  ])('is refused with an address that is %s, be it the owner’s', async (name, account, text) => {
    await provider.setAccounts({ [name]: account });
    expectRefused(await signIn(encodeURIComponent(name), open.url), 403, text);
  });
});

describe('what comes back from the provider', () => {
  /** A login up to the moment at which the browser comes back. */
  async function comingBack(account: string) {
    const browser = new Browser();
    return { browser, back: new URL((await browser.follow(loginOf(gateway.url), account, CALLBACK)).url) };
  }

  beforeAll(() => invited('ivan'));

  it('is refused with another state', async () => {
    const { browser, back } = await comingBack('ivan');
    back.searchParams.set('state', 'A'.repeat(43));
    const page = await browser.open(back.href);
    expectRefused({ browser, page }, 400, /Begin again/);
    // The login is over with that, and the right state comes too late.
    back.searchParams.delete('state');
    expectRefused({ browser, page: await browser.open(back.href) }, 400, /Begin again/);
  });

  it('is refused without the cookie of the browser that has begun it, with a changed one and with that of another login', async () => {
    const { browser, back } = await comingBack('ivan');
    const cookie = browser.cookie(gateway.url, LOGIN) ?? '';
    browser.dropCookie(gateway.url, LOGIN);
    expectRefused({ browser, page: await browser.open(back.href) }, 400, /was not begun by this browser/);
    const changed = cookie.slice(0, 40) + (cookie[40] === 'A' ? 'B' : 'A') + cookie.slice(41);
    const { browser: another } = await comingBack('ivan');
    for (const value of [changed, '', 'x', another.cookie(gateway.url, LOGIN) ?? '', `${cookie}AAAA`]) {
      browser.setCookie(gateway.url, LOGIN, value);
      expectRefused({ browser, page: await browser.open(back.href) }, 400, /was not begun by this browser/);
    }
    browser.setCookie(gateway.url, LOGIN, cookie);
    expect((await browser.open(back.href)).status).toBe(200);
  });

  it('is refused a second time, even by a browser that has kept its cookie', async () => {
    const { browser, back } = await comingBack('ivan');
    const cookie = browser.cookie(gateway.url, LOGIN) ?? '';
    expect((await browser.open(back.href)).status).toBe(200);
    browser.dropCookie(gateway.url, SESSION);
    expectRefused({ browser, page: await browser.open(back.href) }, 400, /is over already/);
    browser.setCookie(gateway.url, LOGIN, cookie);
    expectRefused({ browser, page: await browser.open(back.href) }, 401, /was used already/);
  });

  it('is refused with a token for another nonce', async () => {
    const browser = new Browser();
    const login = await browser.open(loginOf(gateway.url));
    const there = new URL(login.headers.get('location') ?? '');
    there.searchParams.set('nonce', 'tampered');
    expectRefused({ browser, page: await browser.follow(there.href, 'ivan') }, 401, /belongs to no sign-in/);
  });

  it('is refused with a code that another verifier was promised for', async () => {
    const browser = new Browser();
    const login = await browser.open(loginOf(gateway.url));
    const there = new URL(login.headers.get('location') ?? '');
    there.searchParams.set('code_challenge', 'A'.repeat(43));
    expectRefused({ browser, page: await browser.follow(there.href, 'ivan') }, 401, /belongs to no sign-in/);
  });

  it('may be a no, which is told', async () => {
    expectRefused(await signIn('nobody'), 403, /has not let you in \(access_denied\)/);
  });
});

describe('a gateway', () => {
  it('says how one signs in', async () => {
    expect((await send(gateway.url, 'GET', '/session/options', undefined, {})).body).toEqual({
      password: true,
      oidc: true,
    });
  });

  it('answers programs with a problem, and nobody with a page who asks for none', async () => {
    const answer = await send(gateway.url, 'GET', '/oidc/callback?code=x&state=x', undefined, {});
    expect([answer.status, (answer.body as Problem).code]).toEqual([400, 'oidc_login_over']);
  });

  // The last one: nobody signs in by the provider afterwards.
  it('does without its provider: passwords are taken, sessions go on, and the way to the provider says what is wrong', async () => {
    await invited('judy');
    const { browser, page } = await signIn('judy');
    expect(page.status).toBe(200);
    const late = new Browser();
    const { url } = await late.follow(loginOf(gateway.url), 'judy', CALLBACK);
    await provider.stop();
    expectRefused({ browser: late, page: await late.open(url) }, 503, /Sign in by password, or try again later/);
    expect((await sessionOf(browser)).status).toBe(200);
    expect(
      (await OperatorClient.signIn(gateway.url, 'owner@example.com').then((one) => one.get('/session'))).status,
    ).toBe(200);
    const without = await TestGateway.start({
      database,
      env: { OIDC_ISSUER: provider.issuer, OIDC_CLIENT_ID: 'tollgate' },
    });
    try {
      for (const attempt of ['first', 'second']) {
        const answer = await send(without.url, 'GET', '/oidc/login', undefined, {});
        expect([attempt, answer.status, (answer.body as Problem).code]).toEqual([attempt, 503, 'oidc_unavailable']);
      }
      await OperatorClient.signIn(without.url, 'owner@example.com');
      expect(without.output()).toContain('ECONNREFUSED');
    } finally {
      await without.stop();
    }
  });
});
