import type { OutgoingHttpHeaders } from 'node:http';
import { ApiError, refusals } from './api-error.js';
import { compactConversation, countTokens } from './compaction.js';
import { createResponse } from './create-response.js';
import type { Exchange } from './exchange.js';
import { listModels, showModel } from './models.js';
import { parseBody } from './request-body.js';
import { JSON_TYPE, serviceHeaders } from './response-headers.js';
import { acceptCall, type Call, type Service } from './service.js';

/** Answers one API request, whose body is there, with or without the `/v1` prefix. */
export async function answerApi(service: Service, exchange: Exchange): Promise<void> {
  try {
    await route(service, exchange);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    refuse(exchange, error);
  }
}

/** Answers by an error in OpenAI's shape. */
export function refuse(exchange: Exchange, error: ApiError): void {
  const extra = error.status === 426 ? { upgrade: 'websocket', connection: 'Upgrade' } : {};
  answerJson(exchange, error.status, error.toJson(), extra);
}

function answerJson(exchange: Exchange, status: number, json: string, extra: OutgoingHttpHeaders = {}): void {
  const bytes = Buffer.from(json);
  const headers = { ...serviceHeaders(exchange, JSON_TYPE), 'content-length': bytes.length, ...extra };
  exchange.sendHead(status, headers);
  exchange.end(bytes);
}

async function route(service: Service, exchange: Exchange): Promise<void> {
  const { method, path } = exchange;
  const pathname = path.split('?', 1)[0] ?? '';
  const [collection, ...rest] = pathname
    .replace(/^\/v1(?=\/)/, '')
    .split('/')
    .slice(1)
    .map(decodeSegment);
  const isRead = method === 'GET' || method === 'HEAD';
  if (collection === 'models' && isRead) {
    const model = rest.join('/');
    return answerJson(exchange, 200, JSON.stringify(model ? showModel(service, model) : listModels(service)));
  }
  if (collection !== 'responses') throw refusals.unknownRoute(method, pathname);
  if (rest.length === 0) return routeCollection(service, exchange, pathname);
  const [id = '', action] = rest;
  if (rest.length === 1 && method === 'POST' && id === 'compact') {
    return compactConversation(service, callOf(service, exchange));
  }
  if (rest.length === 1 && method === 'POST' && id === 'input_tokens') return countTokens(callOf(service, exchange));
  if (rest.length > 2) throw refusals.unknownRoute(method, pathname);
  const query = new URLSearchParams(path.slice(pathname.length + 1));
  if (isRead && action === undefined && query.get('stream') === 'true') {
    const { run } = service.stored.get(id);
    if (!run) throw refusals.notReplayable();
    return run.replay(exchange, query.get('starting_after'));
  }
  return answerJson(
    exchange,
    200,
    storedAnswer(service, { method: isRead ? 'GET' : method, id, action, query, pathname }),
  );
}

function routeCollection(service: Service, exchange: Exchange, pathname: string): Promise<void> {
  if (exchange.method === 'POST') return createResponse(service, callOf(service, exchange));
  throw exchange.method === 'GET' ? refusals.upgradeOnly() : refusals.wrongMethod(exchange.method, pathname);
}

function callOf(service: Service, exchange: Exchange): Call {
  return acceptCall(service, exchange, parseBody(exchange.body, exchange.headers['content-encoding']));
}

interface StoredRoute {
  method: string;
  id: string;
  action: string | undefined;
  query: URLSearchParams;
  pathname: string;
}

function storedAnswer({ stored }: Service, { method, id, action, query, pathname }: StoredRoute): string {
  switch (`${method} ${action ?? ''}`) {
    case 'GET ':
      return stored.get(id).json;
    case 'DELETE ':
      return JSON.stringify(stored.delete(id));
    case 'POST cancel':
      return stored.cancel(id);
    case 'GET input_items':
      return JSON.stringify(stored.listInputItems(id, query));
    default:
      throw refusals.unknownRoute(method, pathname);
  }
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
