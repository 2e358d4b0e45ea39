import { applyDecorators, Controller } from '@nestjs/common';
import { ApiBearerAuth, ApiDefaultResponse, ApiTags } from '@nestjs/swagger';
import { Problem } from '@app/contract';

/** A controller of the admin API, below /admin/v1, where http/authenticate.hook.ts asks for the admin token. */
export function AdminController(resource: string): ClassDecorator {
  return applyDecorators(
    Controller(`admin/v1/${resource}`),
    ApiTags(resource),
    ApiBearerAuth(),
    ApiDefaultResponse({ standardSchema: Problem, description: 'A problem (RFC 9457)' }),
  );
}
