import type { FastifyReply, FastifyRequest } from 'fastify';
import { OidcLogins } from './oidc-logins.js';

const KEY = Buffer.alloc(32, 1);
const NOW_MS = 1_800_000_000_000;
const MINUTE_MS = 60_000;
const LOGIN = { state: 's', nonce: 'n', verifier: 'v', redirectUri: 'https://gw.example.com/admin/v1/oidc/callback' };

/** What a browser sends, and what it is answered with. */
function exchange(headers: object = {}) {
  const set: string[] = [];
  return {
    set,
    request: { headers, protocol: 'http' } as FastifyRequest,
    reply: { header: (_: string, value: string) => set.push(value) } as unknown as FastifyReply,
  };
}

function begun(logins: OidcLogins): string {
  const { set, reply } = exchange();
  logins.keep(reply, LOGIN, NOW_MS);
  return set[0]?.split(';', 1)[0] ?? '';
}

describe('a login that is under way', () => {
  it('is finished by any replica that has the MASTER_KEY, and by no other gateway', () => {
    const cookie = begun(new OidcLogins(KEY, null));
    const take = (logins: OidcLogins) => {
      const { request, reply } = exchange({ cookie });
      return logins.take(request, reply, 's', NOW_MS + 9 * MINUTE_MS);
    };
    expect(take(new OidcLogins(KEY, null))).toMatchObject(LOGIN);
    expect(take(new OidcLogins(Buffer.alloc(32, 2), null))).toBeNull();
  });

  it('is over after ten minutes', () => {
    const logins = new OidcLogins(KEY, null);
    const { request, reply } = exchange({ cookie: begun(logins) });
    expect(logins.take(request, reply, 's', NOW_MS + 10 * MINUTE_MS)).toBeNull();
  });

  it.each(['', 'S', null])('is not finished by the state %j, but over with it', (state) => {
    const logins = new OidcLogins(KEY, null);
    const { request, reply, set } = exchange({ cookie: begun(logins) });
    expect(logins.take(request, reply, state, NOW_MS)).toBeNull();
    expect(set).toEqual([expect.stringMatching(/^__Host-tollgate-oidc=; Max-Age=0;/)]);
  });
});

describe('where the provider leads back to', () => {
  const at = (publicUrl: string | null, host?: string) =>
    new OidcLogins(KEY, publicUrl).redirectUriFor(exchange(host === undefined ? {} : { host }).request);

  it.each([
    [null, 'localhost:8080', 'http://localhost:8080/admin/v1/oidc/callback'],
    [null, '[::1]:8080', 'http://[::1]:8080/admin/v1/oidc/callback'],
    ['https://gw.example.com', 'localhost:8080', 'https://gw.example.com/admin/v1/oidc/callback'],
    [null, 'evil.example/path?', null],
    [null, 'user@evil.example', null],
    [null, undefined, null],
  ])('with PUBLIC_URL %j and the host %j is %j', (publicUrl, host, expected) => {
    expect(at(publicUrl, host)).toBe(expected);
  });
});
