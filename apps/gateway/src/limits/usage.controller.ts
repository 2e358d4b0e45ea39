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
  usage(@Req() { caller, record }: GatewayRequest): CallerUsage {
    record.kind = 'usage';
    return {
      object: 'usage',
      key: { name: caller.keyName, group: caller.group.name },
      limits: this.limiter.states(this.limiter.subjectsOf(caller.keyId, caller.group.id, null)).map(shownLimit),
    };
  }
}
