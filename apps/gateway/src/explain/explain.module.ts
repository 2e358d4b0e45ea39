import { Module } from '@nestjs/common';
import { GroupsModule } from '@app/groups';
import { KeysModule } from '@app/keys';
import { LimitsModule } from '@app/limits';
import { ModelsModule } from '@app/models';
import { RuntimeModule } from '@app/runtime';
import { ModelRoutesModule } from '../models/model-routes.module.js';
import { DoctorController } from './doctor.controller.js';
import { ExplainController } from './explain.controller.js';
import { Explainer } from './explainer.js';

@Module({
  imports: [GroupsModule, KeysModule, LimitsModule, ModelsModule, ModelRoutesModule, RuntimeModule],
  controllers: [ExplainController, DoctorController],
  providers: [Explainer],
  exports: [Explainer],
})
export class ExplainModule {}
