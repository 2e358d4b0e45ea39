import type { BodyLog } from '@app/bodies';
import { byLabel, type GatewayMetrics } from './gateway-metrics.js';

/** Adds to `/metrics` what became of bodies that were to be stored. */
export function showBodies(bodies: BodyLog, metrics: GatewayMetrics): void {
  metrics.showCounter('tollgate_bodies_stored_total', 'Bodies stored, requests and answers each for itself', [], () => [
    [[], bodies.stored],
  ]);
  metrics.showCounter(
    'tollgate_bodies_lost_total',
    'Requests whose bodies were to be stored and are not, by reason',
    ['reason'],
    () => byLabel(Object.entries(bodies.lost)),
  );
  metrics.showGauge(
    'tollgate_bodies_held_bytes',
    'Memory that bodies take on their way to PostgreSQL',
    () => bodies.heldBytes,
  );
}
