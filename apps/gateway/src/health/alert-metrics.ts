import type { Alerts, WebhookDeliverer } from '@app/alerts';
import { byLabel, type GatewayMetrics } from './gateway-metrics.js';

/** Adds to `/metrics` what became of alerts and of their way to webhooks. */
export function showAlerts(alerts: Alerts, deliverer: WebhookDeliverer, metrics: GatewayMetrics): void {
  metrics.showCounter('tollgate_alerts_total', 'Alerts that this process was the first to see, by type', ['type'], () =>
    byLabel(alerts.written),
  );
  metrics.showGauge('tollgate_alerts_pending', 'Alerts not yet in PostgreSQL', () => alerts.pending);
  metrics.showCounter(
    'tollgate_alerts_dropped_total',
    'Alerts lost because PostgreSQL was away for too long',
    [],
    () => [[[], alerts.dropped]],
  );
  metrics.showCounter(
    'tollgate_webhook_attempts_total',
    'Attempts to deliver an alert to a webhook, by how they ended',
    ['result'],
    () => byLabel(Object.entries(deliverer.attempts)),
  );
}
