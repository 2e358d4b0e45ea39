import { Module } from '@nestjs/common';
import { RuntimeModule } from '@app/runtime';
import { LiveRequestsController } from './live-requests.controller.js';
import { LiveRequests } from './live-requests.js';
import { RequestAborts } from './request-aborts.js';
import { RequestsInFlight } from './requests-in-flight.js';
import { RequestsInFlightController } from './requests-in-flight.controller.js';

/** What operators see and do while requests run. */
@Module({
  imports: [RuntimeModule],
  controllers: [RequestsInFlightController, LiveRequestsController],
  providers: [LiveRequests, RequestAborts, RequestsInFlight],
})
export class LiveModule {}
