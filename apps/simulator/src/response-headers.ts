import type { OutgoingHttpHeaders } from 'node:http';
import type { Exchange } from './exchange.js';
import { newRequestId, newSealedText } from './ids.js';

// Of the operator's account: a gateway has to strip or replace them, so they are always there.
const ACCOUNT_HEADERS = {
  'openai-version': '2020-10-01',
  'openai-organization': 'simulated-org',
  'openai-project': 'proj_simulated',
  'x-ratelimit-limit-requests': '5000',
  'x-ratelimit-remaining-requests': '4999',
  'x-ratelimit-reset-requests': '12ms',
  'x-ratelimit-limit-tokens': '2000000',
  'x-ratelimit-remaining-tokens': '1998500',
  'x-ratelimit-reset-tokens': '45ms',
  'set-cookie': '__cf_bm=simulated-cookie; path=/; HttpOnly; Secure; SameSite=None',
};

/** The headers of every answer, an error's too. */
export function serviceHeaders(exchange: Exchange, contentType: string): OutgoingHttpHeaders {
  return {
    'content-type': contentType,
    'x-request-id': newRequestId(),
    'openai-processing-ms': String(Math.round(performance.now() - exchange.startedAtMs)),
    ...ACCOUNT_HEADERS,
  };
}

/** The headers of a model's answer; a turn state that the client sent back is kept. */
export function modelHeaders(exchange: Exchange, contentType: string, model: string): OutgoingHttpHeaders {
  return {
    ...serviceHeaders(exchange, contentType),
    // A name that no header can hold is left out.
    ...(/^[\x20-\x7E]*$/.test(model) ? { 'openai-model': model } : {}),
    'x-codex-turn-state': exchange.headers['x-codex-turn-state'] ?? newSealedText(48),
  };
}

/** The content type of JSON answers. */
export const JSON_TYPE = 'application/json';
/** The content type of streams. */
export const SSE_TYPE = 'text/event-stream; charset=utf-8';
