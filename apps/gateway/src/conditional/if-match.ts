import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiHeader, ApiPreconditionFailedResponse } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { Problem } from '@app/contract';
import type { SeenVersions } from '@app/database';
import { AdminProblem } from '../http/admin-problem.js';
import { parseTagList, type TagList, versionsIn } from './entity-tags.js';

/**
 * In a controller: the versions that the change may be based on, from `If-Match`; null: any. Describes the header, too.
 *
 * @throws AdminProblem 400 when the header is no list of tags
 */
export const IfMatch = createParamDecorator(
  (_: unknown, context: ExecutionContext): SeenVersions => {
    const list = tagsOf(context.switchToHttp().getRequest<FastifyRequest>(), 'if-match');
    return list && versionsIn(list);
  },
  [
    (controller, method) => {
      if (method === undefined) return;
      const descriptor = Object.getOwnPropertyDescriptor(controller, method);
      if (!descriptor) return;
      ApiHeader({
        name: 'If-Match',
        required: false,
        description:
          'The `ETag` that the change is based on, several of them, or `*`. Without it the last change wins.',
        schema: { type: 'string', example: '"7"' },
      })(controller, method, descriptor);
      ApiPreconditionFailedResponse({
        standardSchema: Problem,
        description: 'It was changed meanwhile, and is left as it is (`precondition_failed`)',
      })(controller, method, descriptor);
    },
  ],
);

/** The tags that a request names; null when it has no such header. @throws AdminProblem 400 when it is no list of tags */
export function tagsOf({ headers }: FastifyRequest, name: 'if-match' | 'if-none-match'): TagList | null {
  const header = headers[name];
  if (header === undefined) return null;
  const list = parseTagList(header);
  if (list === null) throw AdminProblem.invalidHeader(name === 'if-match' ? 'If-Match' : 'If-None-Match', TAGS);
  return list;
}

const TAGS = 'must be one or more entity tags in quotes, such as "7", or *';
