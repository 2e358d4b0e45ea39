import type { IncomingHttpHeaders } from 'node:http';
import type { Caller } from '@app/keys';
import type { ResponseCall } from '@app/protocol';

/** What keeps a session on one upstream: its cache key, else its id, else the turn's state (product.md §2). */
export function affinityOf(
  { promptCacheKey }: Pick<ResponseCall, 'promptCacheKey'>,
  headers: IncomingHttpHeaders,
  { group }: Pick<Caller, 'group'>,
): string | null {
  const name = promptCacheKey ?? headers['session-id'] ?? headers.session_id ?? headers['x-codex-turn-state'] ?? null;
  return typeof name === 'string' && name !== '' ? `${group.id} ${name}` : null;
}

/** Codex in any of its forms (codex-cli.md §2). */
export function isCodex({ originator, 'user-agent': userAgent }: IncomingHttpHeaders): boolean {
  return /^codex[-_]/.test(String(originator ?? '')) || /^codex[-_]/.test(userAgent ?? '');
}
