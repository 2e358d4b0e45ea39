import type { IncomingMessage } from 'node:http';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { AdminProblem } from './admin-problem.js';
import { type GatewayRequest, isDataPlane, routeOf } from './gateway-request.js';
import { contentEncodingOf } from './request-body/content-encoding.js';
import { type BodyLimits, receiveBody } from './request-body/receive-body.js';

/** Legal requests reach tens of MiB: two images of 12 MB are a body of 32 MB (codex-cli.md §2). */
export const BODY_BYTES_MAX = 64 * 1024 * 1024;
const ADMIN_BODY_BYTES_MAX = 1024 * 1024;
/** The public price list has 1.6 MB, and grows; a configuration has all keys in it. */
const DOCUMENT_BYTES_MAX = 32 * 1024 * 1024;
const TAKES_DOCUMENT = new Set(['/admin/v1/prices/import', '/admin/v1/config/diff', '/admin/v1/config/apply']);

const LIMITS: BodyLimits = {
  bytesMax: BODY_BYTES_MAX,
  ratioMax: 100,
  ratioFreeBytes: 1024 * 1024,
  paceFromMs: 5_000,
  bytesPerSecondMin: 8 * 1024,
};
/** Their bodies are large and many, and nobody reads them when the request is closed. */
const MAKES_RESPONSE = /^(?:\/v1)?\/responses(?:\/compact)?$/;
const ADMIN_BODY = { encoding: null, wireBytes: 0, isPooled: false };

/** How large a body a route of the admin API takes. */
export function adminBodyBytesMax(request: FastifyRequest): number {
  return TAKES_DOCUMENT.has(routeOf(request)) ? DOCUMENT_BYTES_MAX : ADMIN_BODY_BYTES_MAX;
}

/** Keeps the data plane's bodies as the client's bytes, decoded, whatever their type; parses the admin API's as JSON. */
export function keepRawBodies(fastify: FastifyInstance): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (request: FastifyRequest, payload: IncomingMessage) =>
    isDataPlane(request) ? receiveCall(request, payload) : receiveJson(payload, adminBodyBytesMax(request)),
  );
}

async function receiveCall(request: GatewayRequest, payload: IncomingMessage): Promise<Buffer> {
  const { record, headers } = request;
  const expected = {
    encoding: contentEncodingOf(headers['content-encoding']),
    wireBytes: record.requestBytes,
    isPooled: MAKES_RESPONSE.test(routeOf(request)),
  };
  const { body, wireBytes } = await receiveBody(payload, expected, LIMITS);
  record.requestBytes = wireBytes;
  return body;
}

async function receiveJson(payload: IncomingMessage, bytesMax: number): Promise<unknown> {
  const { body } = await receiveBody(payload, ADMIN_BODY, { ...LIMITS, bytesMax });
  if (body.length === 0) return undefined;
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw AdminProblem.invalidJson(error);
  }
}
