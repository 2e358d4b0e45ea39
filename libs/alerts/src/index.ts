export { type AlertData, type AlertObject, type LimitAlertData, limitAlertKey, type RaisedAlert } from './alert.js';
export { AlertHistory, type AlertRow } from './alert-history.js';
export { Alerts } from './alerts.js';
export { AlertsModule } from './alerts.module.js';
export { UpstreamAlerts } from './upstream-alerts.js';
export { WebhookDeliverer } from './webhook-deliverer.js';
export { webhookUrlProblem } from './webhook-request.js';
export { resealWebhooks, WebhookSecrets } from './webhook-secrets.js';
export {
  type DeliveryRow,
  type IssuedWebhookRow,
  type WebhookInput,
  type WebhookRow,
  WebhooksService,
} from './webhooks.service.js';
