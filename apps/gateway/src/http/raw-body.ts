import type { FastifyInstance, FastifyRequest } from 'fastify';
import { isDataPlane } from './gateway-request.js';
import { AdminProblem } from './admin-problem.js';

/** Legal requests reach tens of MiB: two images of 12 MB are a body of 32 MB (codex-cli.md §2). */
export const BODY_BYTES_MAX = 64 * 1024 * 1024;
export const ADMIN_BODY_BYTES_MAX = 1024 * 1024;

/** Keeps the data plane's bodies as the client's bytes, whatever their content type; parses the admin API's as JSON. */
export function keepRawBodies(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser(
    '*',
    { parseAs: 'buffer', bodyLimit: BODY_BYTES_MAX },
    (request: FastifyRequest, body: Buffer, done) => {
      if (isDataPlane(request)) {
        request.record.requestBytes = body.length;
        return done(null, body);
      }
      if (body.length > ADMIN_BODY_BYTES_MAX) return done(AdminProblem.bodyTooLarge(ADMIN_BODY_BYTES_MAX));
      if (body.length === 0) return done(null, undefined);
      try {
        done(null, JSON.parse(body.toString('utf8')));
      } catch (error) {
        done(AdminProblem.invalidJson(error));
      }
    },
  );
}
