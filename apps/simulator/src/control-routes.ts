import type { IncomingMessage, ServerResponse } from 'node:http';
import { refusals } from './api-error.js';
import type { Exchange } from './exchange.js';
import type { LedgerEntry, LedgerSums } from './ledger.js';
import type { Service } from './service.js';
import type { Usage } from './usage.js';

/** The path under which the simulator itself, not the simulated service, is asked. */
export const CONTROL_PREFIX = '/simulator/';

/** Answers `/simulator/…`: what was billed, what was exchanged, and the release of held exchanges. */
export function answerControl(
  service: Service,
  exchanges: readonly Exchange[],
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { method = '', url = '' } = request;
  request.resume();
  switch (`${method} ${url}`) {
    case 'GET /simulator/ledger':
      return answer(response, ledgerSummary(service));
    case 'DELETE /simulator/ledger':
      service.ledger.reset();
      return answer(response, ledgerSummary(service));
    case 'GET /simulator/exchanges':
      return answer(response, exchanges.map(exchangeSummary));
    case 'POST /simulator/release':
      service.gate.release();
      return answer(response, { released: true });
    default:
      return answer(response, { error: refusals.unknownRoute(method, url).fields }, 404);
  }
}

function answer(response: ServerResponse, value: object, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

function ledgerSummary({ ledger }: Service): object {
  const { overall, byModel } = ledger.totals;
  return {
    entries: ledger.entries.map(entrySummary),
    totals: {
      overall: sumsSummary(overall),
      by_model: Object.fromEntries(Object.entries(byModel).map(([model, sums]) => [model, sumsSummary(sums)])),
    },
  };
}

function entrySummary(entry: LedgerEntry): object {
  return { response_id: entry.responseId, model: entry.model, outcome: entry.outcome, ...usageSummary(entry) };
}

function sumsSummary(sums: LedgerSums): object {
  return { responses: sums.responses, ...usageSummary(sums) };
}

function usageSummary(usage: Usage): object {
  return {
    input_tokens: usage.inputTokens,
    cached_tokens: usage.cachedTokens,
    cache_write_tokens: usage.cacheWriteTokens,
    output_tokens: usage.outputTokens,
    reasoning_tokens: usage.reasoningTokens,
    total_tokens: usage.totalTokens,
  };
}

function exchangeSummary(exchange: Exchange): object {
  return {
    method: exchange.method,
    path: exchange.path,
    headers: exchange.headers,
    body: exchange.body.toString('utf8'),
    body_bytes: exchange.body.length,
    status: exchange.status,
    response_id: exchange.responseId,
    sent_bytes: exchange.sentBytes.length,
    events_sent: exchange.eventsSent,
    started_at_ms: exchange.startedAtMs,
    closed_at_ms: exchange.closedAtMs,
    closed_by: exchange.closedBy,
  };
}
