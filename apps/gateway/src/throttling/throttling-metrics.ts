import { byLabel, type GatewayMetrics } from '../health/gateway-metrics.js';
import type { ThrottleCounts } from './throttle-counts.js';

/** Adds to `/metrics` how many requests were too many for their address, and of how many addresses requests are counted. */
export function showThrottling(counts: ThrottleCounts, metrics: GatewayMetrics): void {
  metrics.showCounter(
    'tollgate_throttled_requests_total',
    'Requests refused because too many came from their address, by throttler',
    ['throttler'],
    () => byLabel(counts.refused),
  );
  metrics.showGauge(
    'tollgate_throttler_clients',
    'Addresses whose requests this process counts; those that are not heard of any more leave when there are too many',
    () => counts.clients,
  );
}
