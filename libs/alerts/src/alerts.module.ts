import { type DynamicModule, Module } from '@nestjs/common';
import { RuntimeModule } from '@app/runtime';
import { StorageModule } from '@app/storage';
import { AlertHistory } from './alert-history.js';
import { Alerts } from './alerts.js';
import { UpstreamAlerts } from './upstream-alerts.js';
import { WebhookDeliverer } from './webhook-deliverer.js';
import { WebhookSecrets } from './webhook-secrets.js';
import { WebhooksService } from './webhooks.service.js';

/** Configured once, at the composition root: the key that seals the secrets of webhooks. */
@Module({})
export class AlertsModule {
  static forRoot(masterKey: Buffer): DynamicModule {
    return {
      module: AlertsModule,
      global: true,
      imports: [RuntimeModule, StorageModule],
      providers: [
        { provide: WebhookSecrets, useFactory: () => new WebhookSecrets(masterKey) },
        WebhookDeliverer,
        WebhooksService,
        Alerts,
        AlertHistory,
        UpstreamAlerts,
      ],
      exports: [Alerts, AlertHistory, WebhookDeliverer, WebhooksService],
    };
  }
}
