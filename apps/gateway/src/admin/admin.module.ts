import { Module } from '@nestjs/common';
import { GroupsModule } from '@app/groups';
import { KeysModule } from '@app/keys';
import { LedgerModule } from '@app/ledger';
import { ModelsModule } from '@app/models';
import { RuntimeModule } from '@app/runtime';
import { StorageModule } from '@app/storage';
import { UsageModule } from '@app/usage';
import { AlertsController } from './alerts.controller.js';
import { AuditController } from './audit.controller.js';
import { BalancesController } from './balances.controller.js';
import { CacheHealthController } from './cache-health.controller.js';
import { ErasuresController } from './erasures.controller.js';
import { GroupsController } from './groups.controller.js';
import { KeysController } from './keys.controller.js';
import { ModelsAdminController } from './models.controller.js';
import { PriceImportController } from './price-import.controller.js';
import { PricesController } from './prices.controller.js';
import { RepricingController } from './repricing.controller.js';
import { HealthModule } from '../health/health.module.js';
import { BodyAbsences } from './body-absences.js';
import { BodiesController } from './bodies.controller.js';
import { ReconciliationController } from './reconciliation.controller.js';
import { RequestBodiesController } from './request-bodies.controller.js';
import { RequestExportController } from './request-export.controller.js';
import { RequestReportsController } from './request-reports.controller.js';
import { RequestsController } from './requests.controller.js';
import { SessionsController } from './sessions.controller.js';
import { SettingsController } from './settings.controller.js';
import { StatusController } from './status.controller.js';
import { StorageController } from './storage.controller.js';
import { UpstreamsController } from './upstreams.controller.js';
import { UsageController } from './usage.controller.js';
import { WebhooksController } from './webhooks.controller.js';

@Module({
  imports: [
    GroupsModule,
    HealthModule,
    KeysModule,
    LedgerModule,
    ModelsModule,
    RuntimeModule,
    StorageModule,
    UsageModule,
  ],
  controllers: [
    KeysController,
    GroupsController,
    BalancesController,
    ModelsAdminController,
    PriceImportController,
    PricesController,
    UpstreamsController,
    RepricingController,
    RequestsController,
    RequestReportsController,
    RequestExportController,
    RequestBodiesController,
    BodiesController,
    SessionsController,
    UsageController,
    CacheHealthController,
    SettingsController,
    StorageController,
    StatusController,
    ReconciliationController,
    ErasuresController,
    AuditController,
    AlertsController,
    WebhooksController,
  ],
  providers: [BodyAbsences],
})
export class AdminModule {}
