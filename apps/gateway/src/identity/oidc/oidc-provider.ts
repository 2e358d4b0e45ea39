import { Logger } from '@nestjs/common';
import type { Configuration } from 'openid-client';
import type { Identity } from '@app/operators';
import type { Clock, OidcSettings } from '@app/runtime';
import { AdminProblem } from '../../http/admin-problem.js';
import type { PendingLogin } from './oidc-logins.js';
import { oidcProblems } from './oidc-problems.js';
import type { Claims } from './vouched-person.js';

type Library = typeof import('openid-client');

/** Whom the provider has let in. */
export interface VouchedLogin {
  readonly identity: Identity;
  /** All that it says of him: it may have to be asked once more. @throws AdminProblem 503 */
  claims(): Promise<Claims>;
}

const TIMEOUT_SECONDS = 5;
const KNOWN_MS = 3_600_000;
/** What is wrong with one login, and not with the provider. */
const INVALID_LOGIN: ReadonlySet<string> = new Set([
  'OAUTH_INVALID_RESPONSE',
  'OAUTH_JWT_CLAIM_COMPARISON_FAILED',
  'OAUTH_JWT_TIMESTAMP_CHECK_FAILED',
]);

/**
 * The OpenID provider of the installation, asked when somebody wants to sign in and not before: authorization code, PKCE, state and
 * nonce, and a signature that is checked. Nothing of what it is asked or answers gets into the log but codes of errors.
 */
export class OidcProvider {
  private readonly logger = new Logger(OidcProvider.name);
  private known: { configuration: Promise<Configuration>; untilMs: number } | null = null;

  constructor(
    readonly settings: OidcSettings | null,
    private readonly clock: Clock,
  ) {}

  get isConfigured(): boolean {
    return this.settings !== null;
  }

  /** Where to send a browser, and what it has to bring back. @throws AdminProblem 404, 503 */
  async begin(redirectUri: string): Promise<{ url: URL; login: Omit<PendingLogin, 'untilMs'> }> {
    return this.asking(async (library, configuration, { scopes }) => {
      const [state, nonce] = [library.randomState(), library.randomNonce()];
      const verifier = library.randomPKCECodeVerifier();
      const url = library.buildAuthorizationUrl(configuration, {
        redirect_uri: redirectUri,
        scope: scopes,
        state,
        nonce,
        code_challenge: await library.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
      });
      return { url, login: { state, nonce, verifier, redirectUri } };
    });
  }

  /** Whom the provider has let in, by what a browser has brought back. @throws AdminProblem 401, 403, 404, 503 */
  async finish({ state, nonce, verifier, redirectUri }: PendingLogin, search: string): Promise<VouchedLogin> {
    return this.asking(async (library, configuration) => {
      const tokens = await library.authorizationCodeGrant(configuration, new URL(redirectUri + search), {
        expectedState: state,
        expectedNonce: nonce,
        pkceCodeVerifier: verifier,
        idTokenExpected: true,
      });
      const token = tokens.claims();
      if (token === undefined) throw oidcProblems.loginInvalid();
      return {
        identity: { issuer: token.iss, subject: token.sub },
        claims: async () => {
          const isComplete = token.email !== undefined && token.email_verified !== undefined;
          if (isComplete || configuration.serverMetadata().userinfo_endpoint === undefined) return token;
          const told = await this.asking(() => library.fetchUserInfo(configuration, tokens.access_token, token.sub));
          // What is signed goes before what is not.
          return { ...told, ...token };
        },
      };
    });
  }

  private async asking<T>(
    work: (library: Library, configuration: Configuration, settings: OidcSettings) => Promise<T>,
  ): Promise<T> {
    const { settings } = this;
    if (settings === null) throw oidcProblems.notConfigured();
    try {
      // Loaded when it is needed: no start waits for it.
      const library = await import('openid-client');
      return await work(library, await this.configuration(library, settings), settings);
    } catch (error) {
      throw error instanceof AdminProblem ? error : this.problemOf(error);
    }
  }

  /** Those who come at once wait for the same answer; one that fails is asked for again. */
  private configuration(library: Library, settings: OidcSettings): Promise<Configuration> {
    const nowMs = this.clock.monotonic();
    if (this.known && nowMs < this.known.untilMs) return this.known.configuration;
    const known = { configuration: discover(library, settings), untilMs: nowMs + KNOWN_MS };
    this.known = known;
    known.configuration.catch(() => {
      if (this.known === known) this.known = null;
    });
    return known.configuration;
  }

  private problemOf(error: unknown): AdminProblem {
    const { code, error: reason, status, cause } = error as Failure;
    const name = wordOf(reason ?? '');
    this.logger.warn(`OpenID provider: ${[code ?? cause?.code ?? 'no answer', name].filter(Boolean).join(' ')}`);
    if (code === 'OAUTH_AUTHORIZATION_RESPONSE_ERROR') return oidcProblems.refusedByProvider(name);
    if (code !== undefined && INVALID_LOGIN.has(code)) return oidcProblems.loginInvalid();
    // A code that was used already, or is over; whatever else the provider does not take is our configuration.
    if (name === 'invalid_grant' && status !== undefined && status < 500) return oidcProblems.loginInvalid();
    return oidcProblems.unavailable();
  }
}

/** What openid-client throws, as far as it may be told. */
interface Failure {
  code?: string;
  error?: string;
  status?: number;
  cause?: { code?: string };
}

/** @throws what openid-client throws */
function discover(library: Library, { issuer, clientId, clientSecret }: OidcSettings): Promise<Configuration> {
  const authentication = clientSecret === null ? library.None() : secretBy(library, clientSecret);
  const isPlain = issuer.startsWith('http:');
  return library.discovery(new URL(issuer), clientId, undefined, authentication, {
    timeout: TIMEOUT_SECONDS,
    execute: [library.enableNonRepudiationChecks, ...(isPlain ? [library.allowInsecureRequests] : [])],
  });
}

/** By the way that the provider takes; what says nothing takes the header (OpenID Connect Discovery 1.0, §3). */
function secretBy(library: Library, secret: string): ReturnType<Library['None']> {
  const [inBody, inHeader] = [library.ClientSecretPost(secret), library.ClientSecretBasic(secret)];
  return (server, ...request) => {
    const takesBody = server.token_endpoint_auth_methods_supported?.includes('client_secret_post');
    (takesBody ? inBody : inHeader)(server, ...request);
  };
}

/** It comes from outside, and gets into the log and a page. */
function wordOf(reason: string): string {
  return reason.replaceAll(/\W/g, '').slice(0, 60);
}
