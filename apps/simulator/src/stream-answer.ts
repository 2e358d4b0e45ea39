import { BackgroundRun } from './background-run.js';
import { GzipSink } from './body-sink.js';
import { eventSequence, type StreamEvent } from './event-sequence.js';
import { cutFault } from './fault.js';
import { modelHeaders, SSE_TYPE } from './response-headers.js';
import { type Answer, type Call, keepAnswer, type Service } from './service.js';
import { SseWriter } from './sse-writer.js';
import { NO_OUTPUT } from './usage.js';

/** Streams an answer; its bill is settled the moment its last event is written, or its connection is gone. */
export async function answerAsStream(service: Service, call: Call, answer: Answer): Promise<void> {
  const { exchange, model, script } = call;
  const { plan, response, bill } = answer;
  const hasFailed = plan.ending.status === 'failed';
  const events = eventSequence(plan, response, (usage) => (hasFailed ? bill.shownOnFailure() : bill.shown(usage)));
  const generated = () => events[exchange.eventsSent - 1]?.generated ?? null;
  const last = events.at(-1);
  const settle = (): void => bill.settleEnded(plan.ending.status, last?.generated ?? NO_OUTPUT);
  const run =
    call.body['background'] === true
      ? new BackgroundRun(service, call, answer, { json: responseJsonOf(last), settle }, events)
      : null;
  const settleEnded = (): void => {
    if (run) return run.end();
    settle();
    keepAnswer(service, call, response.id, responseJsonOf(last));
  };
  const settleCut = (outcome: 'aborted' | 'broke_off'): void => {
    if (run) run.endOnRelease();
    else bill.settleCut(outcome, generated());
  };
  exchange.onClose = () => settleCut(exchange.closedBy === 'client' ? 'aborted' : 'broke_off');
  const headers = modelHeaders(exchange, SSE_TYPE, script.model_header ?? model);
  exchange.sendHead(200, script.gzip ? { ...headers, 'content-encoding': 'gzip' } : headers);
  const writer = new SseWriter({
    exchange,
    sink: script.gzip ? new GzipSink(exchange) : exchange,
    events,
    script,
    cut: cutFault(call.fault),
    gate: service.gate,
    deltaDelayMs: script.delta_delay_ms ?? service.deltaDelayMs,
    onSent: (eventCount) => {
      // Billed first: whoever awaits `sent`, or reads the last event, finds the ledger settled.
      if (eventCount === events.length && exchange.eventsSent < eventCount) settleEnded();
      exchange.markSent(eventCount);
    },
    onCut: () => settleCut('broke_off'),
  });
  await writer.write();
}

const BEFORE_RESPONSE = ',"response":';

// Cut out of the event instead of serialised again: a stored response may be large, and most are never read.
function responseJsonOf(terminal: StreamEvent | undefined): string {
  const json = terminal?.json ?? '';
  return json.slice(json.indexOf(BEFORE_RESPONSE) + BEFORE_RESPONSE.length, -1);
}
