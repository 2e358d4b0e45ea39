import { applyDecorators, Controller, UseGuards } from '@nestjs/common';
import { ApiBearerAuth, ApiDefaultResponse, ApiTags } from '@nestjs/swagger';
import { Problem } from '@app/contract';
import { AdminGuard } from '../http/admin.guard.js';

/** A controller of the admin API: its routes need the admin token and answer failures as problems. */
export function AdminController(resource: string): ClassDecorator {
  return applyDecorators(
    Controller(`admin/v1/${resource}`),
    UseGuards(AdminGuard),
    ApiTags(resource),
    ApiBearerAuth(),
    ApiDefaultResponse({ standardSchema: Problem, description: 'A problem (RFC 9457)' }),
  );
}
