import { type CallHandler, type ExecutionContext, Injectable, type NestInterceptor } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { map, type Observable } from 'rxjs';
import { knows, tagOf } from './entity-tags.js';
import { tagsOf } from './if-match.js';
import { Tagged } from './tagged.js';

/** Gives answers that show an object its `ETag`. Who has that version already is told so by a 304. */
@Injectable()
export class EntityTagInterceptor implements NestInterceptor {
  intercept(context: ExecutionContext, next: CallHandler): Observable<unknown> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    return next.handle().pipe(
      map((answer: unknown) => {
        if (!(answer instanceof Tagged)) return answer;
        void reply.header('etag', tagOf(answer.version));
        const known = isRead(request) ? tagsOf(request, 'if-none-match') : null;
        if (known === null || !knows(known, answer.version)) return answer.shown as unknown;
        void reply.code(304);
        return undefined;
      }),
    );
  }
}

function isRead({ method }: FastifyRequest): boolean {
  return method === 'GET' || method === 'HEAD';
}
