import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { KeyRing, LastUsed } from '@app/keys';
import { errors } from '@app/protocol';
import type { Lifecycle } from '../health/lifecycle.js';
import { AdminProblem } from './admin-problem.js';
import type { AdminTokenHash } from './admin-token.js';
import { isDataPlane, pathOf } from './gateway-request.js';
import { ADMIN_BODY_BYTES_MAX, BODY_BYTES_MAX } from './raw-body.js';

export interface AuthenticateHookDependencies {
  keys: KeyRing;
  lastUsed: LastUsed;
  adminToken: AdminTokenHash;
  lifecycle: Lifecycle;
}

/**
 * Says who calls, and refuses who has no valid key or token, before a byte of the body is read: strangers cannot make the
 * gateway buffer anything. Refusals that need no key come first.
 */
export function authenticateRequests(
  fastify: FastifyInstance,
  { keys, lastUsed, adminToken, lifecycle }: AuthenticateHookDependencies,
): void {
  fastify.addHook('onRequest', (request, _reply, done) => {
    if (!isDataPlane(request)) return done(adminRefusal(request, adminToken));
    if (lifecycle.isClosing) return done(errors.shuttingDown());
    // Codex falls back to POST at once on 426; any other answer, a 401 too, costs it seven seconds (codex-cli.md §5).
    if (isWebSocketUpgrade(request)) {
      request.record.kind = 'websocket';
      return done(errors.websocketNotSupported());
    }
    const secret = bearerToken(request.headers.authorization);
    const caller = secret === null ? undefined : keys.find(secret);
    if (caller) {
      const { record } = request;
      request.caller = caller;
      record.keyId = caller.keyId;
      record.keyName = caller.keyName;
      record.groupId = caller.group.id;
      record.groupName = caller.group.name;
      lastUsed.note(caller.keyId, record.startedAtMs);
    }
    if (request.is404) return done(errors.unknownUrl(request.method, pathOf(request.url).slice(0, 200)));
    if (!caller) {
      return done(secret === null ? errors.missingKey() : errors.invalidKey());
    }
    const encoding = request.headers['content-encoding'];
    if (encoding && encoding !== 'identity') return done(errors.unsupportedContentEncoding(encoding.slice(0, 64)));
    // Refused here and not while reading, the rest of the body is drained, so that its sender gets to see the answer.
    if (Number(request.headers['content-length'] ?? 0) > BODY_BYTES_MAX)
      return done(errors.requestTooLarge(BODY_BYTES_MAX));
    done();
  });
}

/** Everything below /admin/v1 needs the admin token, but for the description of the API. */
function adminRefusal({ url, headers }: FastifyRequest, adminToken: AdminTokenHash): AdminProblem | undefined {
  const path = pathOf(url);
  if (!path.startsWith('/admin/v1/') || path.startsWith('/admin/v1/openapi.')) return undefined;
  if (!adminToken.matches(bearerToken(headers.authorization))) return AdminProblem.unauthorized();
  return Number(headers['content-length'] ?? 0) > ADMIN_BODY_BYTES_MAX
    ? AdminProblem.bodyTooLarge(ADMIN_BODY_BYTES_MAX)
    : undefined;
}

function isWebSocketUpgrade({ headers }: FastifyRequest): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

/** null when there is none; the scheme's case does not matter (RFC 9110 §11.1). */
export function bearerToken(authorization: string | undefined): string | null {
  const match = /^bearer +(\S+) *$/i.exec(authorization ?? '');
  return match?.[1] ?? null;
}
