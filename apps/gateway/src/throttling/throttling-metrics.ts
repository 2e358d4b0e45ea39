import { Counter, Gauge } from 'prom-client';
import type { GatewayMetrics } from '../health/gateway-metrics.js';
import type { ThrottleCounts } from './throttle-counts.js';

/** Adds to `/metrics` how many requests were too many for their address, and of how many addresses requests are counted. */
export function showThrottling(counts: ThrottleCounts, { registry }: GatewayMetrics): void {
  const throttled = new Counter({
    name: 'tollgate_throttled_requests_total',
    help: 'Requests refused because too many came from their address, by throttler',
    labelNames: ['throttler'],
    registers: [],
    collect() {
      this.reset();
      for (const [throttler, count] of counts.refused) this.labels(throttler).inc(count);
    },
  });
  const clients = new Gauge({
    name: 'tollgate_throttler_clients',
    help: 'Addresses whose requests this process counts; those that are not heard of any more leave when there are too many',
    registers: [],
    collect() {
      this.set(counts.clients);
    },
  });
  registry.registerMetric(throttled);
  registry.registerMetric(clients);
}
