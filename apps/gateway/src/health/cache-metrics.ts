import type { CacheWatch } from '../responses/cache-watch.js';
import { byLabel, type GatewayMetrics } from './gateway-metrics.js';

/** Adds to `/metrics` what sessions have lost of the prompt cache, and what it takes to know that. */
export function showCacheHealth(watch: CacheWatch, metrics: GatewayMetrics): void {
  metrics.showCounter(
    'tollgate_cache_drops_total',
    'Turns that read less from the prompt cache than their warm session gave reason to expect, by cause',
    ['cause'],
    () => byLabel(watch.drops),
  );
  metrics.showGauge('tollgate_cache_sessions', 'Warm sessions that are watched', () => watch.turns.size.sessions);
}
