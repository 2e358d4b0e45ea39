import { z } from 'zod';

const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|localhost|\[::1\])$/;
const DOMAIN = /^[a-z\d](?:[a-z\d-]*[a-z\d])?(?:\.[a-z\d](?:[a-z\d-]*[a-z\d])?)+$/i;

/** Variables of the sign-in by an OpenID provider. */
export const oidcEnvironment = {
  OIDC_ISSUER: z
    .string()
    .refine(isIssuer, { error: 'must be an https:// URL (http:// for this very machine only), without a query' })
    .optional(),
  OIDC_CLIENT_ID: z.string().max(500).optional(),
  OIDC_CLIENT_SECRET: z.string().max(2_000).optional(),
  OIDC_SCOPES: z
    .string()
    .refine((text) => text.split(/\s+/).includes('openid'), { error: 'must have openid among its words' })
    .default('openid email profile'),
  OIDC_DEFAULT_ROLE: z
    .enum(['admin', 'auditor', 'viewer', 'developer'], {
      error: 'must be one of admin, auditor, viewer, developer',
    })
    .optional(),
  OIDC_ALLOWED_DOMAINS: z
    .string()
    .refine((text) => text.split(',').every((domain) => DOMAIN.test(domain.trim())), {
      error: 'must be a comma-separated list of domains such as example.com',
    })
    .optional(),
  PUBLIC_URL: z.string().refine(isOrigin, { error: 'must be an http:// or https:// URL without a path' }).optional(),
};

/** The provider by which operators sign in. */
export interface OidcSettings {
  readonly issuer: string;
  readonly clientId: string;
  /** null: a public client, known by PKCE alone */
  readonly clientSecret: string | null;
  readonly scopes: string;
  /** What people become whom nobody has invited; null: nothing. */
  readonly defaultRole: 'admin' | 'auditor' | 'viewer' | 'developer' | null;
  /** In lower case; empty: any. */
  readonly allowedDomains: readonly string[];
}

type Parsed = z.output<z.ZodObject<typeof oidcEnvironment>>;

/** null: there is none. @param incomplete is called with a line that names a variable which is missing */
export function oidcSettingsOf(data: Parsed, incomplete: (line: string) => Error): OidcSettings | null {
  const { OIDC_ISSUER: issuer, OIDC_CLIENT_ID: clientId } = data;
  if (issuer === undefined) {
    if (clientId !== undefined) throw incomplete('OIDC_ISSUER must be set, as OIDC_CLIENT_ID is');
    return null;
  }
  if (clientId === undefined) throw incomplete('OIDC_CLIENT_ID must be set, as OIDC_ISSUER is');
  return {
    issuer,
    clientId,
    clientSecret: data.OIDC_CLIENT_SECRET ?? null,
    scopes: data.OIDC_SCOPES,
    defaultRole: data.OIDC_DEFAULT_ROLE ?? null,
    allowedDomains: data.OIDC_ALLOWED_DOMAINS?.split(',').map((domain) => domain.trim().toLowerCase()) ?? [],
  };
}

function isIssuer(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null;
  if (!url || url.search || url.hash || url.username || url.password) return false;
  return url.protocol === 'https:' || (url.protocol === 'http:' && LOOPBACK.test(url.hostname));
}

function isOrigin(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : null;
  return url !== null && /^https?:$/.test(url.protocol) && [url.origin, `${url.origin}/`].includes(text);
}
