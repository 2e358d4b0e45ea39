import { Module } from '@nestjs/common';
import { RuntimeModule } from '@app/runtime';
import { HealthModule } from '../health/health.module.js';
import { LiveRequestsController } from './live-requests.controller.js';
import { LiveRequests } from './live-requests.js';
import { OpenRequests } from './open-requests.js';
import { ReplicaQuestions } from './replica-questions.js';
import { RequestsInFlight } from './requests-in-flight.js';
import { RequestsInFlightController } from './requests-in-flight.controller.js';

/** What operators see and do while requests run. */
@Module({
  imports: [RuntimeModule, HealthModule],
  controllers: [RequestsInFlightController, LiveRequestsController],
  providers: [LiveRequests, OpenRequests, ReplicaQuestions, RequestsInFlight],
})
export class LiveModule {}
