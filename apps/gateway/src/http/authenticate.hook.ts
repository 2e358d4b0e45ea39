import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { KeyRing, LastUsed } from '@app/keys';
import { errors } from '@app/protocol';
import type { Lifecycle } from '../health/lifecycle.js';
import { AdminProblem } from './admin-problem.js';
import type { AdminTokenHash } from './admin-token.js';
import { isDataPlane, pathOf, routeOf } from './gateway-request.js';
import { contentEncodingOf } from './request-body/content-encoding.js';
import { headRefusal } from './request-head.js';
import { adminBodyBytesMax, BODY_BYTES_MAX } from './raw-body.js';

export interface AuthenticateHookDependencies {
  keys: KeyRing;
  lastUsed: LastUsed;
  adminToken: AdminTokenHash;
  lifecycle: Lifecycle;
}

/** Where POST is the only method. */
const CALL_PATH = /^(?:\/v1)?\/responses\/?$/;

/**
 * Says who calls, and refuses who has no valid key or token, before a byte of the body is read: strangers cannot make the
 * gateway buffer anything. Refusals that need no key come first.
 */
export function authenticateRequests(
  fastify: FastifyInstance,
  { keys, lastUsed, adminToken, lifecycle }: AuthenticateHookDependencies,
): void {
  fastify.addHook('onRequest', (request, _reply, done) => {
    const refusal = headRefusal(request.raw);
    if (refusal) return done(refusal);
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
    const path = pathOf(request.url);
    // `codex doctor` asks with HEAD and without a key, and takes a 401 for a sign that the route is there.
    const isOtherMethod = request.is404 && CALL_PATH.test(path);
    if (request.is404 && !isOtherMethod) return done(errors.unknownUrl(request.method, path.slice(0, 200)));
    if (!caller) {
      return done(secret === null ? errors.missingKey() : errors.invalidKey());
    }
    if (isOtherMethod) return done(errors.methodNotAllowed(request.method, path, 'POST'));
    try {
      contentEncodingOf(request.headers['content-encoding']);
    } catch (error) {
      return done(error as Error);
    }
    // Refused here and not while reading, the rest of the body is drained, so that its sender gets to see the answer.
    if (Number(request.headers['content-length'] ?? 0) > BODY_BYTES_MAX)
      return done(errors.requestTooLarge(BODY_BYTES_MAX));
    done();
  });
}

/** Everything below /admin/v1 needs the admin token, but for the description of the API. */
function adminRefusal(request: FastifyRequest, adminToken: AdminTokenHash): AdminProblem | undefined {
  const { headers } = request;
  const path = routeOf(request);
  if (!path.startsWith('/admin/v1/') || path.startsWith('/admin/v1/openapi.')) return undefined;
  if (!adminToken.matches(bearerToken(headers.authorization))) return AdminProblem.unauthorized();
  const bytesMax = adminBodyBytesMax(request);
  return Number(headers['content-length'] ?? 0) > bytesMax ? AdminProblem.bodyTooLarge(bytesMax) : undefined;
}

function isWebSocketUpgrade({ headers }: FastifyRequest): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}

/** null when there is none; the scheme's case does not matter (RFC 9110 §11.1). */
export function bearerToken(authorization: string | undefined): string | null {
  const match = /^bearer +(\S+) *$/i.exec(authorization ?? '');
  return match?.[1] ?? null;
}
