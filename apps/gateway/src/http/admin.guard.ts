import { createHash, timingSafeEqual } from 'node:crypto';
import { type CanActivate, type ExecutionContext, Injectable } from '@nestjs/common';
import type { FastifyRequest } from 'fastify';
import { AdminProblem } from './admin-problem.js';
import { bearerToken } from './authenticate.hook.js';

/** The SHA-256 of the admin token; the token itself is nowhere in memory. */
export class AdminTokenHash {
  constructor(readonly sha256: Buffer) {}

  static of(token: string): AdminTokenHash {
    return new AdminTokenHash(createHash('sha256').update(token).digest());
  }
}

/** Lets an admin request in when its bearer token is the admin token. */
@Injectable()
export class AdminGuard implements CanActivate {
  constructor(private readonly token: AdminTokenHash) {}

  canActivate(context: ExecutionContext): boolean {
    const { headers } = context.switchToHttp().getRequest<FastifyRequest>();
    const presented = bearerToken(headers.authorization);
    const hash = createHash('sha256')
      .update(presented ?? '')
      .digest();
    if (presented === null || !timingSafeEqual(hash, this.token.sha256)) throw AdminProblem.unauthorized();
    return true;
  }
}

/** Who the audit log says it was: there is one admin token, hence one actor. */
export const ADMIN_ACTOR = 'admin_token';
