import { AddressDeniedError, type AddressPolicy } from './address-policy.js';
import { normalizeBaseUrl } from './base-url.js';
import { makeUpstreamPool } from './upstream-pool.js';

/** How an upstream answered a test call. */
export interface UpstreamProbe {
  ok: boolean;
  status: number | null;
  durationMs: number;
  /** One line on what went wrong; null when ok. */
  problem: string | null;
}

export interface ProbedUpstream {
  readonly baseUrl: string;
  readonly authorization: string | null;
  readonly policy: AddressPolicy;
  readonly isDemo: boolean;
  readonly httpProxy: string | null;
}

const TIMEOUT_MS = 5_000;

/**
 * Asks an upstream for its models: reaches it and shows whether it takes the credential, without costing tokens. It is
 * reached as calls reach it, by the same address policy, but over a connection of its own. The answer's body is never
 * handed out, redirects are not followed.
 */
export async function probeUpstream({ baseUrl, authorization, ...reach }: ProbedUpstream): Promise<UpstreamProbe> {
  const startedAtMs = performance.now();
  const end = (status: number | null, problem: string | null): UpstreamProbe => ({
    ok: problem === null,
    status,
    durationMs: Math.round((performance.now() - startedAtMs) * 10) / 10,
    problem,
  });
  if (normalizeBaseUrl(baseUrl) === null) return end(null, 'the base URL is not valid: enter it again');
  const { origin, pathname } = new URL(baseUrl);
  const timeouts = { connectTimeoutMs: TIMEOUT_MS, headersTimeoutMs: TIMEOUT_MS, idleTimeoutMs: TIMEOUT_MS };
  const pool = makeUpstreamPool({ origin, ...reach, ...timeouts });
  try {
    const { statusCode, body } = await pool.request({
      method: 'GET',
      path: `${pathname.replace(/\/$/, '')}/models`,
      headers: authorization ? { authorization } : {},
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    body.on('error', () => undefined).destroy();
    return end(statusCode, problemOf(statusCode));
  } catch (error) {
    if (error instanceof AddressDeniedError) return end(null, error.message);
    const { code, name } = error as { code?: string; name?: string };
    return end(null, `the upstream could not be reached (${code ?? name ?? 'error'})`);
  } finally {
    await pool.destroy();
  }
}

/** Some upstreams list no models; their 404 shows as well that the address is right. */
function problemOf(status: number): string | null {
  if (status === 401 || status === 403) return 'the upstream refused the credential';
  if (status >= 300 && status < 400) return `the upstream answered ${status}: redirects are not followed`;
  return status < 300 || status === 404 ? null : `the upstream answered ${status}`;
}
