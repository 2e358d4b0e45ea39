import { applyDecorators, SetMetadata } from '@nestjs/common';
import { ApiExtension } from '@nestjs/swagger';

/** What somebody may be allowed to do in the control plane; a route asks for one of them. */
export const PERMISSIONS = [
  'alerts:read',
  'alerts:write',
  'audit:read',
  'balances:read',
  'balances:write',
  'bodies:read',
  'bodies:write',
  'config:read',
  'config:write',
  'erasures:read',
  'erasures:write',
  'groups:read',
  'groups:write',
  'keys:read',
  'keys:write',
  'models:read',
  'models:write',
  'operators:read',
  'operators:write',
  'requests:read',
  'requests:write',
  'settings:read',
  'settings:write',
  'status:read',
  'upstreams:read',
  'upstreams:write',
  'usage:read',
] as const;

export type Permission = (typeof PERMISSIONS)[number];

export const PERMISSION_METADATA = 'tollgate:permission';

/** Names the permission that a route of the control plane asks for. Without one the gateway does not start. */
export function Permit(permission: Permission): MethodDecorator {
  return applyDecorators(SetMetadata(PERMISSION_METADATA, permission), ApiExtension('x-permission', permission));
}
