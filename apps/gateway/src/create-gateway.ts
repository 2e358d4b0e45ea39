import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { Alerts, WebhookDeliverer } from '@app/alerts';
import { BodyLog } from '@app/bodies';
import { PrismaService, QuestionPool } from '@app/database';
import { RequestJournal, RequestLog } from '@app/journal';
import { KeyRing, LastUsed } from '@app/keys';
import { Clock, type Settings } from '@app/runtime';
import { DiskUsage } from '@app/storage';
import { validationPipe } from './admin/validation.pipe.js';
import { GatewayModule, type GatewayIdentity } from './gateway.module.js';
import { showAlerts } from './health/alert-metrics.js';
import { showBodies } from './health/body-metrics.js';
import { showCacheHealth } from './health/cache-metrics.js';
import { showConnections } from './health/database-metrics.js';
import { GatewayMetrics } from './health/gateway-metrics.js';
import { CacheWatch } from './responses/cache-watch.js';
import { Lifecycle } from './health/lifecycle.js';
import { showStorage } from './health/storage-metrics.js';
import { admitRequests } from './http/admit.hook.js';
import { authenticateRequests } from './http/authenticate.hook.js';
import { journalRequests } from './http/journal.hook.js';
import { JsonLogger } from './http/json-logger.js';
import { answerMalformedRequest, routableUrl } from './http/malformed-request.js';
import { keepRawBodies } from './http/raw-body.js';
import { Principals } from './identity/principals.js';
import { SESSION_COOKIE } from './identity/session-cookie.js';
import { RequestsInFlight } from './live/requests-in-flight.js';
import { ThrottleCounts } from './throttling/throttle-counts.js';
import { Throttles } from './throttling/throttles.js';
import { showThrottling } from './throttling/throttling-metrics.js';

const HEADERS_TIMEOUT_MS = 10_000;
/** Enough for a body of 30 MB over 2 Mbit/s; slower than 8 KiB/s is refused earlier (raw-body.ts). */
const REQUEST_TIMEOUT_MS = 120_000;
/** Idle ones included; so that operators get through when every data-plane request that may run does. */
const CONNECTIONS_BEYOND_IN_FLIGHT = 2_000;

/** Builds the gateway, ready to listen: database migrated, snapshots not yet loaded (that happens in `init`). */
export async function createGateway(
  identity: GatewayIdentity,
  { logLevel, inFlightMax, eventLoopDelayMsMax }: Pick<Settings, 'logLevel' | 'inFlightMax' | 'eventLoopDelayMsMax'>,
): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter({
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    requestTimeout: REQUEST_TIMEOUT_MS,
    // Without a host Node would answer by itself, in no shape at all; request-head.ts refuses it.
    http: { headersTimeout: HEADERS_TIMEOUT_MS, connectionsCheckingInterval: 2_000, requireHostHeader: false },
    clientErrorHandler: answerMalformedRequest,
    rewriteUrl: routableUrl,
    routerOptions: { ignoreTrailingSlash: true, maxParamLength: 300 },
  });
  const app = await NestFactory.create<NestFastifyApplication>(GatewayModule.forRoot(identity), adapter, {
    bodyParser: false,
    abortOnError: false,
    logger: new JsonLogger(logLevel),
  });
  const fastify = app.getHttpAdapter().getInstance();
  keepRawBodies(fastify);
  journalRequests(fastify, {
    log: app.get(RequestLog),
    metrics: app.get(GatewayMetrics),
    inFlight: app.get(RequestsInFlight),
    clock: app.get(Clock),
    bodies: app.get(BodyLog),
  });
  authenticateRequests(fastify, {
    keys: app.get(KeyRing),
    lastUsed: app.get(LastUsed),
    principals: app.get(Principals),
    lifecycle: app.get(Lifecycle),
    throttles: app.get(Throttles),
    bodies: app.get(BodyLog),
  });
  showThrottling(app.get(ThrottleCounts), app.get(GatewayMetrics));
  showConnections(app.get(PrismaService), app.get(QuestionPool), app.get(GatewayMetrics));
  showStorage(app.get(DiskUsage), app.get(RequestJournal), app.get(GatewayMetrics));
  showBodies(app.get(BodyLog), app.get(GatewayMetrics));
  showCacheHealth(app.get(CacheWatch), app.get(GatewayMetrics));
  showAlerts(app.get(Alerts), app.get(WebhookDeliverer), app.get(GatewayMetrics));
  admitRequests(fastify, {
    metrics: app.get(GatewayMetrics),
    journal: app.get(RequestJournal),
    limits: { inFlightMax, loopDelayMsMax: eventLoopDelayMsMax },
  });
  const { server } = fastify;
  // A client may close its side behind its request (RFC 9112 §9.6); client-departure.ts tells it from one that has left.
  (server as { httpAllowHalfOpen?: boolean }).httpAllowHalfOpen = true;
  server.maxConnections = inFlightMax + CONNECTIONS_BEYOND_IN_FLIGHT;
  // Node would answer these by itself.
  for (const event of ['checkContinue', 'checkExpectation']) {
    server.on(event, (...exchange: unknown[]) => server.emit('request', ...exchange));
  }
  app.useGlobalPipes(validationPipe);
  documentAdminApi(app);
  return app;
}

/** `/admin/docs` for people, `/admin/v1/openapi.json` for programs; both made from the schemas that check the requests. */
function documentAdminApi(app: NestFastifyApplication): void {
  const config = new DocumentBuilder()
    .setTitle('Tollgate admin API')
    .setDescription(
      'Keys, groups, models, upstreams, the request log, stored bodies, usage totals, alerts and webhooks.',
    )
    .setVersion('1')
    .addBearerAuth({ type: 'http', bearerFormat: 'tga-…', description: 'An admin token' })
    .addCookieAuth(SESSION_COOKIE, {
      type: 'apiKey',
      description: 'A session; what changes something has to send x-tollgate-csrf, too',
    })
    .build();
  // Made when it is first asked for: no start waits for it.
  const document = () =>
    SwaggerModule.createDocument(app, config, {
      operationIdFactory: (controller, method) =>
        `${method}_${controller.replace(/(?:Admin)?Controller$/, '').toLowerCase()}`,
    });
  SwaggerModule.setup('admin/docs', app, document, {
    jsonDocumentUrl: 'admin/v1/openapi.json',
    yamlDocumentUrl: 'admin/v1/openapi.yaml',
    customSiteTitle: 'Tollgate admin API',
  });
}
