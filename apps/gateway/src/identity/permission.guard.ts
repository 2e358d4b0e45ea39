import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import { Reflector } from '@nestjs/core';
import { AdminProblem } from '../http/admin-problem.js';
import { type Permission, PERMISSION_METADATA } from './permissions.js';
import type { PrincipalRequest } from './principal.js';

/** Lets nobody do what he may not do. */
@Injectable()
export class PermissionGuard implements CanActivate {
  constructor(private readonly reflector: Reflector) {}

  /** @throws AdminProblem 401, 403 */
  canActivate(context: ExecutionContext): boolean {
    const permission = this.reflector.get<Permission | undefined>(PERMISSION_METADATA, context.getHandler());
    const { principal } = context.switchToHttp().getRequest<PrincipalRequest>();
    if (!principal) throw AdminProblem.unauthorized();
    if (permission === undefined || !principal.permissions.has(permission)) {
      throw AdminProblem.forbidden(permission ?? 'none');
    }
    return true;
  }
}
