import type { FastifyRequest } from 'fastify';
import type { RequestRow } from '@app/journal';

/** Kinds whose call has a model and an input. */
const WITH_INPUT = new Set(['response', 'compaction', 'input_tokens']);
const PLACEHOLDER = 'What the client sent is not stored.';

/** Where the one who asks has reached the gateway. */
export function gatewayUrl({ headers, host, protocol }: FastifyRequest): string {
  const forwarded = /^https?(?=,|$)/.exec(String(headers['x-forwarded-proto'] ?? ''));
  return `${forwarded?.[0] ?? protocol}://${host}`;
}

/**
 * A command for a POSIX shell that makes a request like the one of the row. All of it is printable ASCII, and nothing that came
 * from outside is anything to the shell but text: neither there, nor on its way through a terminal.
 */
export function curlCommand(
  row: Pick<RequestRow, 'route' | 'kind' | 'model' | 'stream' | 'session_id' | 'client_request_id'>,
  baseUrl: string,
): string {
  const [method = '', path = ''] = row.route.split(' ', 2);
  const body = WITH_INPUT.has(row.kind) ? bodyOf(row) : null;
  const { client_request_id: clientRequestId } = row;
  const parts = [
    `curl --globoff --request ${quoted(/^[A-Z]+$/.test(method) ? method : 'GET')} ${quoted(encoded(baseUrl + rooted(path)))}`,
    '--header "Authorization: Bearer $TOLLGATE_API_KEY"',
    ...(isHeaderText(clientRequestId) ? [`--header ${quoted(`x-client-request-id: ${clientRequestId}`)}`] : []),
    ...(body === null ? [] : [`--header ${quoted('content-type: application/json')}`, `--data-raw ${quoted(body)}`]),
  ];
  return `${parts.join(' \\\n  ')}\n`;
}

function bodyOf({ model, stream, kind, session_id: session }: Parameters<typeof curlCommand>[0]): string {
  const fields = {
    model: model ?? '',
    input: PLACEHOLDER,
    ...(kind === 'response' && stream ? { stream } : {}),
    ...(kind === 'response' && session !== null ? { prompt_cache_key: session } : {}),
  };
  return JSON.stringify(fields).replaceAll(
    /[^ -~]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** What does not begin with a slash would be read as part of the host, and be sent the key. */
function rooted(path: string): string {
  return path.startsWith('/') ? path : `/${path}`;
}

function encoded(url: string): string {
  return url.replaceAll(/[^!-~]/gu, (character) => encodeURIComponent(character.toWellFormed()));
}

function isHeaderText(value: string | null): value is string {
  return value !== null && /^[ -~]+$/.test(value);
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
