import { Controller, Get, Req } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Limiter } from '@app/limits';
import type { GatewayRequest } from '../http/gateway-request.js';
import { type ShownLimit, shownLimit } from './shown-limit.js';

interface CallerUsage {
  object: 'usage';
  key: { name: string; group: string };
  limits: ShownLimit[];
}

/** `GET /v1/usage`: what the caller has used of what it may use. */
@ApiExcludeController()
@Controller(['v1/usage', 'usage'])
export class CallerUsageController {
  constructor(private readonly limiter: Limiter) {}

  @Get()
  async usage(@Req() { caller, record }: GatewayRequest): Promise<CallerUsage> {
    record.kind = 'usage';
    const states = await this.limiter.currentStates(this.limiter.subjectsOf(caller.keyId, caller.group.id, null));
    return {
      object: 'usage',
      key: { name: caller.keyName, group: caller.group.name },
      limits: states.map(shownLimit),
    };
  }
}
