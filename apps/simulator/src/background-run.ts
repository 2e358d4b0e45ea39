import { refusals } from './api-error.js';
import type { StreamEvent } from './event-sequence.js';
import type { Exchange } from './exchange.js';
import { cutFault } from './fault.js';
import { modelHeaders, SSE_TYPE } from './response-headers.js';
import type { Answer, Call, Service } from './service.js';
import { SseWriter } from './sse-writer.js';
import type { Run } from './stored-responses.js';

/** How a background response ends. */
export interface RunEnd {
  json: string;
  settle: () => void;
}

/** A response that goes on without its client: until it is told to end, or is cancelled. */
export class BackgroundRun implements Run {
  private isOver = false;
  private withdraw: (() => void) | null = null;

  /** @param events all events of a streamed one; null for others, which cannot be replayed */
  constructor(
    private readonly service: Service,
    private readonly call: Call,
    private readonly answer: Answer,
    private readonly runEnd: RunEnd,
    private readonly events: readonly StreamEvent[] | null,
  ) {
    this.keep(answer.response.toJson({ status: 'in_progress', usage: 'null' }));
  }

  /** Ends it at once, or at the next release if the script holds it. */
  endOnRelease(): void {
    const { gate } = this.service;
    if (this.call.script.hold_after_events === undefined) this.end();
    else this.withdraw = gate.wait(gate.ticket, () => this.end());
  }

  /** It has ended as planned: only now it is billed. */
  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.runEnd.settle();
    this.keep(this.runEnd.json);
  }

  /** Nothing is billed, and nothing of it is shown; no effect on one that is over. */
  cancel(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.withdraw?.();
    this.keep(this.answer.response.toJson({ status: 'cancelled', usage: 'null' }));
  }

  /** Streams the events behind a sequence number, and those that are still to come. */
  async replay(exchange: Exchange, startingAfter: string | null): Promise<void> {
    const { events, call, service } = this;
    if (!events) throw refusals.notReplayable();
    if (startingAfter !== null && !/^\d+$/.test(startingAfter)) throw refusals.badStartingAfter();
    const from = startingAfter === null ? 0 : Math.min(Number(startingAfter) + 1, events.length);
    const { hold_after_events: hold, ...script } = call.script;
    const isHeld = hold !== undefined && !this.isOver;
    // A fault of limited times was for the first stream.
    const cut = call.fault?.times === undefined ? cutFault(call.fault) : null;
    exchange.responseId = this.answer.response.id;
    exchange.sendHead(200, modelHeaders(exchange, SSE_TYPE, call.model));
    const writer = new SseWriter({
      exchange,
      sink: exchange,
      events: events.slice(from),
      script: isHeld ? { ...script, hold_after_events: Math.max(0, hold - from) } : script,
      cut: cut && { ...cut, after_events: Math.max(0, (cut.after_events ?? 0) - from) },
      gate: service.gate,
      deltaDelayMs: call.script.delta_delay_ms ?? service.deltaDelayMs,
      onSent: (eventCount) => exchange.markSent(eventCount),
      onCut: () => undefined,
    });
    await writer.write();
  }

  private keep(json: string): void {
    const { service, call, answer } = this;
    const { id } = answer.response;
    // A running one that was deleted stays so.
    if (call.body['store'] === false || (this.isOver && !service.stored.has(id))) return;
    service.stored.keep(id, { json, request: call.body, run: this });
  }
}
