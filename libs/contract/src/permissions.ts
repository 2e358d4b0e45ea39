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
  'self:read',
  'self:write',
  'settings:read',
  'settings:write',
  'status:read',
  'upstreams:read',
  'upstreams:write',
  'usage:read',
] as const;

export type Permission = (typeof PERMISSIONS)[number];

export const ROLES = ['owner', 'admin', 'auditor', 'viewer', 'developer'] as const;

/**
 * - `owner`: everything
 * - `admin`: everything but the settings and the configuration file of the installation, and owners
 * - `auditor`: reads everything but bodies, which can be granted
 * - `viewer`: reads what concerns traffic
 * - `developer`: reads what concerns his own keys
 */
export type Role = (typeof ROLES)[number];

const SELF: readonly Permission[] = ['self:read', 'self:write'];
const OF_OWNERS: ReadonlySet<Permission> = new Set([
  'settings:write',
  'config:write',
  'erasures:write',
  'bodies:write',
]);

/** What a role may do. */
export const ROLE_PERMISSIONS: Readonly<Record<Role, readonly Permission[]>> = {
  owner: PERMISSIONS,
  admin: PERMISSIONS.filter((permission) => !OF_OWNERS.has(permission)),
  auditor: [
    ...SELF,
    ...PERMISSIONS.filter((name) => name.endsWith(':read') && name !== 'bodies:read' && name !== 'self:read'),
  ],
  viewer: [
    ...SELF,
    'alerts:read',
    'balances:read',
    'groups:read',
    'keys:read',
    'models:read',
    'requests:read',
    'status:read',
    'upstreams:read',
    'usage:read',
  ],
  developer: [...SELF, 'keys:read', 'models:read', 'requests:read', 'usage:read'],
};
