import { Counter, Gauge } from 'prom-client';
import type { Alerts, WebhookDeliverer } from '@app/alerts';
import type { GatewayMetrics } from './gateway-metrics.js';

/** Adds to `/metrics` what became of alerts and of their way to webhooks. */
export function showAlerts(alerts: Alerts, deliverer: WebhookDeliverer, { registry }: GatewayMetrics): void {
  const written = new Counter({
    name: 'tollgate_alerts_total',
    help: 'Alerts that this process was the first to see, by type',
    labelNames: ['type'],
    registers: [],
    collect() {
      this.reset();
      for (const [type, count] of alerts.written) this.labels(type).inc(count);
    },
  });
  const pending = new Gauge({
    name: 'tollgate_alerts_pending',
    help: 'Alerts not yet in PostgreSQL',
    registers: [],
    collect() {
      this.set(alerts.pending);
    },
  });
  const dropped = new Counter({
    name: 'tollgate_alerts_dropped_total',
    help: 'Alerts lost because PostgreSQL was away for too long',
    registers: [],
    collect() {
      this.reset();
      this.inc(alerts.dropped);
    },
  });
  const attempts = new Counter({
    name: 'tollgate_webhook_attempts_total',
    help: 'Attempts to deliver an alert to a webhook, by how they ended',
    labelNames: ['result'],
    registers: [],
    collect() {
      this.reset();
      for (const [result, count] of Object.entries(deliverer.attempts)) this.labels(result).inc(count);
    },
  });
  for (const metric of [written, pending, dropped, attempts]) registry.registerMetric(metric as Counter);
}
