import { setTimeout as delay } from 'node:timers/promises';
import { type CallHandler, type ExecutionContext, Injectable, Logger, type NestInterceptor } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { from, lastValueFrom, type Observable } from 'rxjs';
import { Clock } from '@app/runtime';
import type { PrincipalRequest } from '../identity/principal.js';
import { AdminProblem } from '../http/admin-problem.js';
import {
  type Claim,
  type ClaimResult,
  IdempotencyKeys,
  type KeyedRequest,
  RENEW_EVERY_MS,
} from './idempotency-keys.js';

const KEY = /^[\x20-\x7e]{1,255}$/;
/** How long a twin waits for the answer of the first. */
const WAIT_MS_MAX = 3_000;
const LOOK_AGAIN_MS_MIN = 25;
const LOOK_AGAIN_MS_MAX = 400;
/** What an answer has besides its body that a client goes by. */
const KEPT_HEADERS = ['etag', 'location'];

/**
 * Performs a POST with an `Idempotency-Key` once: twins get the answer of the first. Only of what succeeded: a refusal has changed
 * nothing, so that its twin may try again.
 */
@Injectable()
export class IdempotencyInterceptor implements NestInterceptor {
  private readonly logger = new Logger(IdempotencyInterceptor.name);

  constructor(
    private readonly keys: IdempotencyKeys,
    private readonly clock: Clock,
  ) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const request = http.getRequest<PrincipalRequest>();
    const keyed = request.method === 'POST' ? keyedRequest(request) : null;
    if (keyed === null) return next.handle();
    return from(this.once(keyed, next, http.getResponse<FastifyReply>()));
  }

  private async once(request: KeyedRequest, next: CallHandler, reply: FastifyReply): Promise<unknown> {
    const result = await this.claimOrAnswer(request);
    switch (result.is) {
      case 'claimed':
        return this.perform(result.claim, next, reply);
      case 'answered': {
        const { status, headers, body } = result.answer;
        void reply.code(status).headers({ ...headers, 'idempotency-replayed': 'true' });
        return body;
      }
      case 'running':
        throw AdminProblem.idempotencyRequestInProgress();
      case 'reused':
        throw AdminProblem.idempotencyKeyReused();
    }
  }

  /** Waits for a twin that is under way; 'running' when that takes too long. */
  private async claimOrAnswer(request: KeyedRequest): Promise<ClaimResult> {
    const giveUpAtMs = this.clock.monotonic() + WAIT_MS_MAX;
    for (let waitMs = LOOK_AGAIN_MS_MIN; ; waitMs = Math.min(waitMs * 2, LOOK_AGAIN_MS_MAX)) {
      const result = await this.keys.claim(request);
      if (result.is !== 'running' || this.clock.monotonic() + waitMs > giveUpAtMs) return result;
      await delay(waitMs);
    }
  }

  /** Goes on to the end when the client leaves: its next try gets the answer. */
  private async perform(claim: Claim, next: CallHandler, reply: FastifyReply): Promise<unknown> {
    const renewing = setInterval(() => {
      this.keys.renew(claim).catch((error: unknown) => this.warn('was not renewed', error));
    }, RENEW_EVERY_MS).unref();
    try {
      const body: unknown = await lastValueFrom(next.handle(), { defaultValue: undefined });
      const kept = KEPT_HEADERS.flatMap((name) =>
        reply.hasHeader(name) ? [[name, String(reply.getHeader(name))]] : [],
      );
      const answer = { status: reply.statusCode, headers: Object.fromEntries(kept) as Record<string, string>, body };
      // What is done is done: that it could not be kept is no reason to say that it failed.
      await this.keys.answer(claim, answer).catch((error: unknown) => this.warn('has no kept answer', error));
      return body;
    } catch (error) {
      await this.keys.release(claim).catch((cause: unknown) => this.warn('is held until it is over', cause));
      throw error;
    } finally {
      clearInterval(renewing);
    }
  }

  private warn(what: string, error: unknown): void {
    this.logger.warn(`a request with an Idempotency-Key ${what}: ${String(error)}`);
  }
}

/** null without a key. @throws AdminProblem 400 for a key that is none */
function keyedRequest({ raw, method, url, body, principal }: PrincipalRequest): KeyedRequest | null {
  const given = raw.headersDistinct['idempotency-key'];
  if (given === undefined || principal === null) return null;
  const [key = ''] = given;
  if (given.length > 1 || !KEY.test(key)) {
    throw AdminProblem.invalidHeader('Idempotency-Key', 'must be one key of 1 to 255 printable ASCII characters');
  }
  return { actor: principal.actor, key, content: JSON.stringify([method, url, body ?? null]) };
}
