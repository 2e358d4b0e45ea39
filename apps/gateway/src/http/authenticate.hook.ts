import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { BodyLog } from '@app/bodies';
import type { KeyRing, LastUsed } from '@app/keys';
import { errors, type GatewayError } from '@app/protocol';
import { mayBeForged } from '../identity/cross-site.js';
import { isOpenRoute } from '../identity/open-routes.js';
import type { Principal, PrincipalRequest } from '../identity/principal.js';
import type { Principals } from '../identity/principals.js';
import type { Lifecycle } from '../health/lifecycle.js';
import type { Throttles } from '../throttling/throttles.js';
import { AdminProblem } from './admin-problem.js';
import { type GatewayRequest, isDataPlane, isOrganizationApi, pathOf, routeOf } from './gateway-request.js';
import { bearerToken } from './bearer-token.js';
import { contentEncodingOf } from './request-body/content-encoding.js';
import { headRefusal } from './request-head.js';
import { adminBodyBytesMax, BODY_BYTES_MAX } from './raw-body.js';

export interface AuthenticateHookDependencies {
  keys: KeyRing;
  lastUsed: LastUsed;
  principals: Principals;
  lifecycle: Lifecycle;
  throttles: Throttles;
  bodies: BodyLog;
}

/** Where POST is the only method. */
const CALL_PATH = /^(?:\/v1)?\/responses\/?$/;

/**
 * Says who calls, and refuses who has no valid key or token, before a byte of the body is read: strangers cannot make the
 * gateway buffer anything. Refusals that need no key come first. Who fails too often is told so, by address; who has a valid key or
 * token is never counted, nor refused for what others from the same address do.
 */
export function authenticateRequests(
  fastify: FastifyInstance,
  { keys, lastUsed, principals, lifecycle, throttles, bodies }: AuthenticateHookDependencies,
): void {
  fastify.decorateRequest('principal', null);
  fastify.addHook('onRequest', (request, reply, done) => {
    const refusal = headRefusal(request.raw);
    if (refusal) return done(refusal);
    if (!isDataPlane(request)) {
      if (!isForOperators(request)) return done(adminBodyRefusal(request));
      return admitOperator(request as PrincipalRequest, principals, throttles, done);
    }
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
      if (caller.bodyPolicy !== null) request.capture = bodies.begin(caller, record, reply.raw);
    }
    const path = pathOf(request.url);
    // `codex doctor` asks with HEAD and without a key, and takes a 401 for a sign that the route is there.
    const isOtherMethod = request.is404 && CALL_PATH.test(path);
    if (request.is404 && !isOtherMethod) {
      const unknownUrl = errors.unknownUrl(request.method, path.slice(0, 200));
      return caller ? done(unknownUrl) : refuseStranger(request, throttles, unknownUrl, done);
    }
    if (!caller) {
      return refuseStranger(request, throttles, secret === null ? errors.missingKey() : errors.invalidKey(), done);
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

/** Everything below /admin/v1 is for somebody who is known, but for what makes him known; and so is OpenAI's usage API. */
function isForOperators(request: FastifyRequest): boolean {
  if (isOrganizationApi(request)) return true;
  return routeOf(request).startsWith('/admin/v1/') && !isOpenRoute(request);
}

function adminBodyRefusal(request: FastifyRequest): AdminProblem | undefined {
  const bytesMax = adminBodyBytesMax(request);
  return Number(request.headers['content-length'] ?? 0) > bytesMax ? AdminProblem.bodyTooLarge(bytesMax) : undefined;
}

type Refuse = (error?: Error) => void;

/** Only the first token is known without asking the database. */
function admitOperator(request: PrincipalRequest, principals: Principals, throttles: Throttles, done: Refuse): void {
  const found = principals.of(request);
  if (found === null) return refuseOperator(request, throttles, done);
  if (!(found instanceof Promise)) return admitPrincipal(request, found, done);
  found.then(
    (principal) => (principal ? admitPrincipal(request, principal, done) : refuseOperator(request, throttles, done)),
    done,
  );
}

function admitPrincipal(request: PrincipalRequest, principal: Principal, done: Refuse): void {
  if (principal.kind === 'session' && mayBeForged(request)) return done(AdminProblem.crossSite());
  request.principal = principal;
  done(adminBodyRefusal(request));
}

function refuseOperator({ ip }: FastifyRequest, throttles: Throttles, refuse: Refuse): void {
  const tooMany =
    'Too many requests of nobody who is known came from this address; with a token or a session they are answered at once.';
  void throttles.count('admin_failures', ip).then((waitSeconds) => {
    refuse(waitSeconds === 0 ? AdminProblem.unauthorized() : AdminProblem.tooManyRequests(tooMany, waitSeconds));
  });
}

/** @param refusal what it is told as long as it does not ask too often */
function refuseStranger(
  { ip, record }: GatewayRequest,
  throttles: Throttles,
  refusal: GatewayError,
  refuse: Refuse,
): void {
  void throttles.count('strangers', ip).then((waitSeconds) => {
    refuse(waitSeconds === 0 ? refusal : errors.tooManyUnauthenticated(waitSeconds, record.startedAtMs));
  });
}

function isWebSocketUpgrade({ headers }: FastifyRequest): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket';
}
