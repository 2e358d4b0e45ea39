import { Module } from '@nestjs/common';
import { RuntimeModule } from '@app/runtime';
import { UsageModule } from '@app/usage';
import { OrganizationController } from './organization.controller.js';

/** OpenAI's usage and costs API, for dashboards that know no other. */
@Module({ imports: [RuntimeModule, UsageModule], controllers: [OrganizationController] })
export class OrganizationModule {}
