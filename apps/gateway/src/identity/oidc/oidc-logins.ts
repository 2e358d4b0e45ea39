import { parseCookie, stringifySetCookie } from 'cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { z } from 'zod';
import { SecretBox } from '@app/runtime';
import { requestOrigin } from '../../http/request-origin.js';

/** What a browser takes to the provider and back, so that nobody else can finish what it has begun. */
const PendingLogin = z.object({
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  redirectUri: z.string(),
  untilMs: z.number(),
});
export type PendingLogin = z.infer<typeof PendingLogin>;

const CALLBACK = '/admin/v1/oidc/callback';
const LASTS_SECONDS = 600;
const PURPOSE = 'oidc-login';
/** Lax: the provider's page leads back here, which is a navigation of another site. */
const COOKIE = { name: '__Host-tollgate-oidc', path: '/', secure: true, httpOnly: true, sameSite: 'lax' } as const;

/** Logins that are under way, each in a sealed cookie of the browser that has begun it: any replica can finish it. */
export class OidcLogins {
  private readonly box: SecretBox;

  constructor(
    masterKey: Buffer,
    private readonly publicUrl: string | null,
  ) {
    this.box = new SecretBox(masterKey, PURPOSE);
  }

  /** Where the provider sends the browser back to; null: the request says that it is nowhere. */
  redirectUriFor(request: FastifyRequest): string | null {
    const origin = this.publicUrl ?? requestOrigin(request);
    return origin && origin + CALLBACK;
  }

  keep(reply: FastifyReply, login: Omit<PendingLogin, 'untilMs'>, nowMs: number): void {
    const text = JSON.stringify({ ...login, untilMs: nowMs + LASTS_SECONDS * 1_000 } satisfies PendingLogin);
    const value = this.box.seal(text, PURPOSE).toString('base64url');
    void reply.header('set-cookie', stringifySetCookie({ ...COOKIE, value, maxAge: LASTS_SECONDS }));
  }

  /** The login of this browser, which is then over, however it ends; null: none, it is too old, or the state is of another one. */
  take(request: FastifyRequest, reply: FastifyReply, state: string | null, nowMs: number): PendingLogin | null {
    const value = parseCookie(request.headers.cookie ?? '')[COOKIE.name];
    if (value === undefined) return null;
    void reply.header('set-cookie', stringifySetCookie({ ...COOKIE, value: '', maxAge: 0 }));
    const login = this.open(value);
    return login && login.untilMs > nowMs && login.state === state ? login : null;
  }

  private open(value: string): PendingLogin | null {
    try {
      return PendingLogin.parse(JSON.parse(this.box.open(Buffer.from(value, 'base64url'), PURPOSE)));
    } catch {
      return null; // changed, or sealed under another key
    }
  }
}
