import { Controller, Get, Req } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { Limiter } from '@app/limits';
import type { GatewayRequest } from '../http/gateway-request.js';
import { type ShownLimit, shownLimit } from '../limits/shown-limit.js';
import { ModelPermissions } from '../models/model-permissions.js';

/** What a developer learns about the key and the way here. */
interface Diagnosis {
  object: 'doctor';
  key: { ok: true; name: string; group: string };
  models: string[];
  limits: ShownLimit[];
  request_encodings: readonly string[];
  websocket: false;
  url: { used: string; configure: string };
  codex: { base_url: string; wire_api: 'responses' };
}

/** `GET /v1/doctor`: asked with a key, answers whether this is set up right. Without a valid key the answer is the 401 itself. */
@ApiExcludeController()
@Controller(['v1/doctor', 'doctor'])
export class DoctorController {
  constructor(
    private readonly permissions: ModelPermissions,
    private readonly limiter: Limiter,
  ) {}

  @Get()
  async diagnose(@Req() request: GatewayRequest): Promise<Diagnosis> {
    const { caller, record, headers, protocol, url } = request;
    record.kind = 'doctor';
    const states = await this.limiter.currentStates(this.limiter.subjectsOf(caller.keyId, caller.group.id, null));
    const host = headers.host ?? 'localhost';
    const origin = `${protocol}://${host}`;
    const path = url.split('?', 1)[0] ?? '/';
    return {
      object: 'doctor',
      key: { ok: true, name: caller.keyName, group: caller.group.name },
      models: this.permissions.visibleModels(caller),
      limits: states.map(shownLimit),
      request_encodings: ['zstd', 'gzip', 'br', 'deflate'],
      websocket: false,
      url: { used: origin + path, configure: `${origin}/v1` },
      codex: { base_url: `${origin}/v1`, wire_api: 'responses' },
    };
  }
}
