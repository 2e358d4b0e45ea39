import { applyDecorators, Controller, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiDefaultResponse, ApiTags } from '@nestjs/swagger';
import { Problem } from '@app/contract';
import { AdminThrottlerGuard } from '../throttling/admin-throttler.guard.js';

/** A controller of the admin API, below /admin/v1, where http/authenticate.hook.ts asks for the admin token. */
export function AdminController(resource: string): ClassDecorator {
  return applyDecorators(
    Controller(`admin/v1/${resource}`),
    UseGuards(AdminThrottlerGuard),
    ApiTags(resource),
    ApiBearerAuth(),
    ApiDefaultResponse({ standardSchema: Problem, description: 'A problem (RFC 9457)' }),
  );
}
