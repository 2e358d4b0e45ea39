import { applyDecorators, Controller, UseGuards, UseInterceptors } from '@nestjs/common';
import { ApiDefaultResponse, ApiTags } from '@nestjs/swagger';
import { Problem } from '@app/contract';
import { EntityTagInterceptor } from '../conditional/entity-tag.interceptor.js';
import { IdempotencyInterceptor } from '../idempotency/idempotency.interceptor.js';
import { PermissionGuard } from '../identity/permission.guard.js';
import { AdminThrottlerGuard } from '../throttling/admin-throttler.guard.js';

/** A controller of the admin API, below /admin/v1: each of its routes names the permission that it asks for. */
export function AdminController(resource: string): ClassDecorator {
  return applyDecorators(
    Controller(`admin/v1/${resource}`),
    UseGuards(AdminThrottlerGuard, PermissionGuard),
    // The outer one first: it keeps the answer with its tag.
    UseInterceptors(IdempotencyInterceptor, EntityTagInterceptor),
    ApiTags(resource),
    ApiDefaultResponse({ standardSchema: Problem, description: 'A problem (RFC 9457)' }),
  );
}
