import { applyDecorators, Controller, UseGuards } from '@nestjs/common';
import { ApiDefaultResponse, ApiTags } from '@nestjs/swagger';
import { Problem } from '@app/contract';
import { PermissionGuard } from '../identity/permission.guard.js';
import { AdminThrottlerGuard } from '../throttling/admin-throttler.guard.js';

/** A controller of the admin API, below /admin/v1: each of its routes names the permission that it asks for. */
export function AdminController(resource: string): ClassDecorator {
  return applyDecorators(
    Controller(`admin/v1/${resource}`),
    UseGuards(AdminThrottlerGuard, PermissionGuard),
    ApiTags(resource),
    ApiDefaultResponse({ standardSchema: Problem, description: 'A problem (RFC 9457)' }),
  );
}
