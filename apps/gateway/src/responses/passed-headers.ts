import type { IncomingHttpHeaders } from 'node:http';

/** What of the client's headers an upstream gets, besides `x-codex-*` (codex-cli.md §8). Everything else stays here. */
const TO_UPSTREAM = new Set([
  'session-id',
  'session_id',
  'thread-id',
  'x-client-request-id',
  'originator',
  'user-agent',
  'openai-beta',
  'x-openai-subagent',
  'x-openai-internal-codex-responses-lite',
  'version',
]);

/** Opaque, and the upstream's own. */
const NEVER_STORED = 'x-codex-turn-state';

/** What of an upstream's headers the client gets, besides what belongs to its body; none tells of the operator's account. */
const TO_CLIENT = ['openai-processing-ms', 'openai-version', 'x-codex-turn-state', 'x-reasoning-included'] as const;

/** Headers of a call to an upstream, names and values in turn, without authorization. */
export function forwardedHeaders(
  headers: IncomingHttpHeaders,
  { extraHeaders }: { readonly extraHeaders: readonly string[] },
  { isStream, hasBody }: { readonly isStream: boolean; readonly hasBody: boolean },
): string[] {
  // Compressed events would break Codex and hide the usage.
  const list = ['accept', isStream ? 'text/event-stream' : 'application/json', 'accept-encoding', 'identity'];
  if (hasBody) list.push('content-type', 'application/json');
  list.push(...extraHeaders);
  for (const name in headers) {
    if (!TO_UPSTREAM.has(name) && !name.startsWith('x-codex-')) continue;
    const value = headers[name];
    if (typeof value === 'string' && !extraHeaders.includes(name)) list.push(name, value);
  }
  return list;
}

/** What of the client's headers is stored with bodies: the same, as they tell of paths and git remotes. */
export function storedHeaders(headers: IncomingHttpHeaders): [name: string, value: string][] {
  const stored: [string, string][] = [];
  for (const name in headers) {
    const value = headers[name];
    const isKept = (TO_UPSTREAM.has(name) || name.startsWith('x-codex-')) && name !== NEVER_STORED;
    if (isKept && typeof value === 'string') stored.push([name, value]);
  }
  return stored;
}

/**
 * Headers of an answer to the client, names and values in turn. A differing `openai-model` makes Codex accuse its user of
 * abuse, so it always names the model that was asked for (codex-cli.md §3).
 */
export function answeredHeaders(
  upstream: IncomingHttpHeaders,
  answer: { requestId: string; requestedModel: string },
): string[] {
  const list = ['x-request-id', answer.requestId];
  for (const name of TO_CLIENT) {
    const value = upstream[name];
    if (typeof value === 'string' && isSendable(value)) list.push(name, value);
  }
  if (upstream['openai-model'] !== undefined && isSendable(answer.requestedModel)) {
    list.push('openai-model', answer.requestedModel);
  }
  return list;
}

/** Whether Node takes a text as a header value; anything else would throw in the middle of an answer. */
function isSendable(value: string): boolean {
  return /^[\t\x20-\x7E\x80-\xFF]*$/.test(value);
}
