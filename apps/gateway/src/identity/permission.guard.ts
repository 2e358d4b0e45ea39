import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import type { Permission } from '@app/contract';
import { AdminProblem } from '../http/admin-problem.js';
import { OPEN_METADATA, PERMISSION_METADATA, type Scope, SCOPED_METADATA } from './permissions.js';
import type { PrincipalRequest } from './principal.js';

/** Lets nobody do what he may not do. */
@Injectable()
export class PermissionGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  /** @throws AdminProblem 401, 403 */
  canActivate(context: ExecutionContext): boolean {
    const handler = context.getHandler();
    if (this.reflector.get<boolean | undefined>(OPEN_METADATA, handler)) return true;
    const permission = this.reflector.get<Permission | undefined>(PERMISSION_METADATA, handler);
    const scope = this.reflector.get<Scope | undefined>(SCOPED_METADATA, handler);
    const { principal } = context.switchToHttp().getRequest<PrincipalRequest>();
    if (!principal) throw AdminProblem.unauthorized();
    if (permission === undefined || !principal.permissions.has(permission)) {
      throw AdminProblem.forbidden(permission ?? 'none');
    }
    // What does not say that it shows only what concerns some keys is for those who may see everything.
    if (principal.keyIds !== null && scope !== 'own') throw AdminProblem.forbidden(permission);
    return true;
  }
}
