import { request } from 'undici';

/** How an upstream answered a test call. */
export interface UpstreamProbe {
  ok: boolean;
  status: number | null;
  durationMs: number;
  /** One line on what went wrong; null when ok. */
  problem: string | null;
}

const TIMEOUT_MS = 5_000;

/** Asks an upstream for its models: reaches it and shows whether it takes the credential, without costing tokens. The answer's body is never handed out. */
export async function probeUpstream(baseUrl: string, authorization: string | null): Promise<UpstreamProbe> {
  const startedAtMs = performance.now();
  const end = (status: number | null, problem: string | null): UpstreamProbe => ({
    ok: problem === null,
    status,
    durationMs: Math.round((performance.now() - startedAtMs) * 10) / 10,
    problem,
  });
  try {
    const { statusCode, body } = await request(`${baseUrl}/models`, {
      headers: authorization ? { authorization } : {},
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    await body.dump();
    if (statusCode === 401 || statusCode === 403) return end(statusCode, 'the upstream refused the credential');
    // Some upstreams list no models; an answer at all shows that the address is right.
    if (statusCode === 404 || statusCode < 400) return end(statusCode, null);
    return end(statusCode, `the upstream answered ${statusCode}`);
  } catch (error) {
    const { code, name } = error as { code?: string; name?: string };
    return end(null, `the upstream could not be reached (${code ?? name ?? 'error'})`);
  }
}
