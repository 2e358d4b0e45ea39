import { applyDecorators, SetMetadata } from '@nestjs/common';
import { ApiBearerAuth, ApiCookieAuth, ApiExtension } from '@nestjs/swagger';
import type { Permission } from '@app/contract';

export const PERMISSION_METADATA = 'tollgate:permission';
export const SCOPED_METADATA = 'tollgate:scoped';
export const OPEN_METADATA = 'tollgate:open';

/** How far a route is for somebody who sees only what concerns some keys: `own`: it shows no more than that. */
export type Scope = 'own';

/** Names the permission that a route of the control plane asks for. Without one the gateway does not start. */
export function Permit(permission: Permission, scope?: Scope): MethodDecorator {
  return applyDecorators(
    SetMetadata(PERMISSION_METADATA, permission),
    SetMetadata(SCOPED_METADATA, scope),
    ApiExtension('x-permission', permission),
    ...(scope === undefined ? [] : [ApiExtension('x-scope', scope)]),
    ApiBearerAuth(),
    ApiCookieAuth(),
  );
}

/** Says that a route of the control plane is for everybody; http/authenticate.hook.ts has to know it, too. */
export function Open(): MethodDecorator {
  return SetMetadata(OPEN_METADATA, true);
}
