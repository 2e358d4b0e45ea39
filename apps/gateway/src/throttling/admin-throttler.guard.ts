import { type ExecutionContext, Injectable } from '@nestjs/common';
import { ThrottlerGuard, type ThrottlerLimitDetail } from '@nestjs/throttler';
import type { FastifyRequest } from 'fastify';
import { AdminProblem } from '../http/admin-problem.js';
import { trackerOf } from './client-tracker.js';

/** Holds the requests of operators, by client and whatever the route, to what the proxy can do besides. */
@Injectable()
export class AdminThrottlerGuard extends ThrottlerGuard {
  protected override async getTracker({ ip }: FastifyRequest): Promise<string> {
    return trackerOf(ip);
  }

  protected override generateKey(_context: ExecutionContext, tracker: string): string {
    return tracker;
  }

  protected override async throwThrottlingException(
    _context: ExecutionContext,
    { limit, timeToBlockExpire }: ThrottlerLimitDetail,
  ): Promise<void> {
    throw AdminProblem.tooManyRequests(
      `More than ${limit} requests came from this address within a minute (ADMIN_REQUESTS_PER_MINUTE).`,
      timeToBlockExpire,
    );
  }
}
