import type { FastifyInstance } from 'fastify';
import type { RequestJournal } from '@app/journal';
import { errors } from '@app/protocol';
import { byLabel, type GatewayMetrics } from '../health/gateway-metrics.js';
import { Admission, ADMISSION_LIMITS } from './admission.js';
import { isDataPlane } from './gateway-request.js';

const RETRY_AFTER_SECONDS_MAX = 5;

export interface AdmitHookOptions {
  metrics: GatewayMetrics;
  journal: RequestJournal;
  inFlightMax: number;
}

/**
 * Turns data-plane requests away while the process has too much to do, before their bodies are read. Operators and health
 * checks are always answered.
 */
export function admitRequests(fastify: FastifyInstance, { metrics, journal, inFlightMax }: AdmitHookOptions): void {
  const admission = new Admission({ ...ADMISSION_LIMITS, inFlightMax });
  showAdmission(admission, metrics);
  fastify.addHook('onRequest', (request, _reply, done) => {
    if (!isDataPlane(request)) return done();
    const { headers } = request;
    const continuesSession =
      (headers['session-id'] ?? headers.session_id ?? headers['x-codex-turn-state']) !== undefined;
    const isUnloggable = request.method === 'POST' && journal.refusal !== null;
    const reason = admission.refuses(metrics.requestsInFlight, continuesSession, isUnloggable);
    if (!reason) return done();
    // Spread, so that those who were turned away together do not come back together.
    const retryAfterSeconds = 1 + Math.floor(Math.random() * RETRY_AFTER_SECONDS_MAX);
    done(errors.gatewayOverloaded(retryAfterSeconds, `shed: ${reason}`));
  });
  fastify.addHook('onListen', (done) => {
    admission.start();
    done();
  });
  fastify.addHook('onClose', (_instance, done) => {
    admission.stop();
    done();
  });
}

function showAdmission(admission: Admission, metrics: GatewayMetrics): void {
  metrics.showCounter(
    'tollgate_requests_shed_total',
    'Data-plane requests turned away because the process had too much to do',
    ['reason'],
    () => byLabel(Object.entries(admission.shed)),
  );
  metrics.showGauge(
    'tollgate_overloaded',
    'Whether memory or event loop have too much to do, so that new data-plane requests are turned away',
    () => (admission.overload === null ? 0 : 1),
  );
}
