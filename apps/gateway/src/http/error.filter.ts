import { STATUS_CODES } from 'node:http';
import { type ArgumentsHost, Catch, type ExceptionFilter, HttpException, Logger } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { Prisma, QuestionGivenUp, StaleVersionError } from '@app/database';
import { errors, GatewayError } from '@app/protocol';
import { AdminProblem } from './admin-problem.js';
import { type GatewayRequest, isDataPlane, isOrganizationApi, pathOf } from './gateway-request.js';
import { adminBodyBytesMax, BODY_BYTES_MAX } from './raw-body.js';

const UPLOAD_REST_MS_MAX = 30_000;

/**
 * The one place where an error becomes an answer: OpenAI's error object on the data plane and below /v1/organization, a problem on the
 * admin API.
 */
@Catch()
export class ErrorFilter implements ExceptionFilter {
  private readonly logger = new Logger(ErrorFilter.name);

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const reply = http.getResponse<FastifyReply>();
    const request = http.getRequest<FastifyRequest>();
    if (reply.raw.destroyed || reply.raw.headersSent) return; // nobody reads an answer any more
    endUploadBehind(request, reply);
    if (isDataPlane(request)) this.answerError(error, request, reply);
    else this.answerProblem(error, request, reply);
  }

  private answerError(error: unknown, request: GatewayRequest, reply: FastifyReply): void {
    const answer = toGatewayError(error);
    const { record } = request;
    record.errorCode = answer.code;
    record.errorMessage ??= answer.status >= 500 ? causeOf(answer) : answer.message;
    record.status = answer.status;
    record.noteEnding();
    if (answer.code === 'internal_error') this.logger.error(error, 'request failed');
    const body = Buffer.from(JSON.stringify(answer.toBody()));
    record.responseBytes = body.length;
    const { answerHeaders } = record;
    for (let i = 0; i < answerHeaders.length; i += 2) void reply.header(answerHeaders[i] ?? '', answerHeaders[i + 1]);
    void reply
      .code(answer.status)
      .headers({ ...answer.toHeaders(), 'content-type': 'application/json' })
      .send(body);
  }

  private answerProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    const problem = toProblem(error, request);
    if (problem.status === 500) this.logger.error(error, 'admin request failed');
    const isOpenAi = isOrganizationApi(request);
    const requestId = String(reply.getHeader('x-request-id') ?? '');
    const body = isOpenAi ? toOpenAiError(error, problem) : toProblemBody(problem, requestId);
    void reply
      .code(problem.status)
      .headers({
        ...(error instanceof GatewayError ? error.toHeaders() : {}),
        'content-type': isOpenAi ? 'application/json' : 'application/problem+json',
        ...(problem.retryAfterSeconds === null ? {} : { 'retry-after': String(problem.retryAfterSeconds) }),
        ...(problem.status === 401 ? { 'www-authenticate': 'Bearer realm="tollgate admin"' } : {}),
      })
      .send(Buffer.from(JSON.stringify(body)));
  }
}

function toGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  const status = statusOf(error);
  if (status === 413) return errors.requestTooLarge(BODY_BYTES_MAX);
  if (status !== null && status < 500) {
    return errors.invalidRequest(`The request cannot be read: ${error instanceof Error ? error.message : ''}`, error);
  }
  return errors.internal(error);
}

function toProblem(error: unknown, request: FastifyRequest): AdminProblem {
  if (error instanceof AdminProblem) return error;
  if (error instanceof GatewayError) return ofGatewayError(error, request);
  if (error instanceof StaleVersionError) return AdminProblem.preconditionFailed();
  if (error instanceof QuestionGivenUp) return AdminProblem.questionGivenUp(error.reason);
  if (error instanceof Prisma.PrismaClientKnownRequestError) {
    const problem = ofPrismaCode(error.code);
    if (problem) return problem;
  }
  if (isDatabaseAway(error)) return AdminProblem.databaseUnavailable();
  const status = statusOf(error);
  if (status === 404) {
    return AdminProblem.notFound(`route: ${request.method} ${pathOf(request.url)}; see /admin/docs`);
  }
  if (status !== null && status < 500) {
    return new AdminProblem(status, 'bad_request', 'Bad request', error instanceof Error ? error.message : '');
  }
  return AdminProblem.internal();
}

function toProblemBody(problem: AdminProblem, requestId: string): object {
  return {
    type: 'about:blank',
    title: problem.title,
    status: problem.status,
    detail: problem.message,
    code: problem.code,
    request_id: requestId,
    ...(problem.errors.length > 0 ? { errors: problem.errors } : {}),
  };
}

/** What OpenAI's clients read; a token that is none has the code of a key that is none. */
function toOpenAiError(error: unknown, { status, code, message, errors: [first] }: AdminProblem): object {
  if (error instanceof GatewayError) return error.toBody();
  const type = status >= 500 ? 'server_error' : status === 429 ? 'rate_limit_exceeded' : 'invalid_request_error';
  return { error: { message, type, param: first?.path ?? null, code: status === 401 ? 'invalid_api_key' : code } };
}

/**
 * What is left of a refused body is read and dropped, as its sender may look for an answer only then: for a while. Fastify
 * would close at once behind a body that it could not read.
 */
function endUploadBehind({ raw: request }: FastifyRequest, reply: FastifyReply): void {
  if (reply.hasHeader('connection')) reply.removeHeader('connection');
  reply.raw.once('finish', () => {
    if (request.complete) return;
    const cut = setTimeout(() => request.destroy(), UPLOAD_REST_MS_MAX).unref();
    request.once('close', () => clearTimeout(cut));
  });
}

/** What is refused on both planes: a head or a body that nobody should have sent. */
function ofGatewayError({ status, code, message }: GatewayError, request: FastifyRequest): AdminProblem {
  if (status === 413) return AdminProblem.bodyTooLarge(adminBodyBytesMax(request));
  return new AdminProblem(status, code, STATUS_CODES[status] ?? 'Error', message);
}

/** Prisma's codes for what two operators can do to each other. */
function ofPrismaCode(code: string): AdminProblem | null {
  switch (code) {
    case 'P2002':
      return AdminProblem.conflict('There is already one of this name. Choose another name.', 'name');
    case 'P2003':
      return AdminProblem.conflict('What this refers to was changed or deleted meanwhile. Read it again.');
    case 'P2025':
      return AdminProblem.notFound('object: it was deleted meanwhile');
    case 'P2028':
    case 'P2034':
      return AdminProblem.conflict('Somebody else is changing the same thing. Try again.');
    default:
      return null;
  }
}

/** What a framework error wants to be answered with; null for errors that are ours. */
function statusOf(error: unknown): number | null {
  if (error instanceof HttpException) return error.getStatus();
  const status = (error as { statusCode?: unknown } | null)?.statusCode;
  return typeof status === 'number' ? status : null;
}

function isDatabaseAway(error: unknown): boolean {
  if (error instanceof Prisma.PrismaClientInitializationError) return true;
  const text = `${(error as { code?: unknown } | null)?.code ?? ''} ${error instanceof Error ? error.message : ''}`;
  return /P1001|P1002|P1008|P1017|P2024|57P0[1-3]|ECONNREFUSED|ECONNRESET|Connection terminated|read timeout|timeout exceeded when trying/i.test(
    text,
  );
}

/** For the log: what was behind an answer that told the client little. */
function causeOf({ message, options }: GatewayError): string {
  const { cause } = options;
  if (!(cause instanceof Error)) return typeof cause === 'string' ? cause : message;
  const { code } = cause as { code?: string };
  return code ? `${code}: ${cause.message}` : cause.message;
}
