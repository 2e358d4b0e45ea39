import type { BodySink } from './body-sink.js';
import type { StreamEvent } from './event-sequence.js';
import type { Exchange } from './exchange.js';
import type { CutFault } from './fault.js';
import type { ReleaseGate } from './release-gate.js';
import type { Script } from './script.js';
import { SseFrames } from './sse-frame.js';

/** Everything that decides how a stream of events leaves. */
export interface Delivery {
  exchange: Exchange;
  sink: BodySink;
  events: readonly StreamEvent[];
  script: Script;
  cut: CutFault | null;
  gate: ReleaseGate;
  deltaDelayMs: number;
  /** Called at once after every write, with the number of events written whole so far. */
  onSent: (eventCount: number) => void;
  /** Called before the connection is ended or destroyed without a terminal event. */
  onCut: () => void;
}

/** Writes a stream event by event, in bursts or in byte pieces, and cuts it where the script says. */
export class SseWriter {
  private readonly frames: SseFrames;
  private readonly stopAt: number;
  private readonly holdAt: number | null;
  private readonly isPaced: boolean;

  constructor(private readonly delivery: Delivery) {
    const { events, script, cut } = delivery;
    this.frames = new SseFrames(events, script);
    this.stopAt = cut ? Math.min(cut.after_events ?? 0, events.length) : events.length;
    this.holdAt = script.hold_after_events === undefined ? null : Math.min(script.hold_after_events, this.stopAt);
    this.isPaced = delivery.deltaDelayMs > 0 && script.chunking !== 'burst';
  }

  /** Writes all that is to be written; resolves when the answer is ended, cut, or the client is gone. */
  async write(): Promise<void> {
    const { exchange, gate } = this.delivery;
    if (this.holdAt === 0) {
      const { ticket } = gate;
      await exchange.flushHead();
      await exchange.pause((resume) => gate.wait(ticket, resume));
    }
    for (let from = 0; from < this.stopAt && !exchange.isClosed;) {
      const to = this.nextPause(from);
      const { ticket } = gate;
      await this.writeSegment(from, to);
      from = to;
      if (to === this.holdAt) await exchange.pause((resume) => gate.wait(ticket, resume));
      else if (to < this.stopAt) await exchange.delay(this.delivery.deltaDelayMs);
    }
    if (!exchange.isClosed) await this.finish();
  }

  // A segment is a run of events without a wait that is part of the script.
  private nextPause(from: number): number {
    const limit = this.holdAt !== null && this.holdAt > from ? this.holdAt : this.stopAt;
    if (!this.isPaced) return limit;
    for (let index = from; index < limit; index += 1) {
      if (this.delivery.events[index]?.isDelta) return index + 1;
    }
    return limit;
  }

  private async writeSegment(from: number, to: number): Promise<void> {
    const { chunking } = this.delivery.script;
    if (typeof chunking === 'number') return this.writePieces(from, to, chunking);
    if (chunking === 'burst') return this.writeBurst(from, to);
    return this.writeEvents(from, to);
  }

  private async writeBurst(from: number, to: number): Promise<void> {
    const { sink, onSent } = this.delivery;
    const ready = sink.send(Buffer.from(this.frames.frames(from, to)));
    onSent(to);
    if (!ready) await sink.drained();
  }

  private async writeEvents(from: number, to: number): Promise<void> {
    const { exchange, sink, onSent } = this.delivery;
    for (let index = from; index < to && !exchange.isClosed; index += 1) {
      const ready = sink.send(Buffer.from(this.frames.frame(index)));
      onSent(index + 1);
      if (!ready) await sink.drained();
      // Without a turn of the event loop Node would join the writes of several events into one packet.
      else if (index + 1 < to) await nextTurn();
    }
  }

  private async writePieces(from: number, to: number, pieceBytes: number): Promise<void> {
    const { exchange, sink, onSent } = this.delivery;
    const framed = Array.from({ length: to - from }, (_, offset) => Buffer.from(this.frames.frame(from + offset)));
    const bytes = Buffer.concat(framed);
    let eventCount = from;
    let eventEnd = framed[0]?.length ?? 0;
    for (let start = 0; start < bytes.length && !exchange.isClosed; start += pieceBytes) {
      const ready = sink.send(bytes.subarray(start, start + pieceBytes));
      while (eventCount < to && eventEnd <= start + pieceBytes) {
        eventCount += 1;
        eventEnd += framed[eventCount - from]?.length ?? 0;
      }
      onSent(eventCount);
      if (!ready) await sink.drained();
      await nextTurn();
    }
  }

  private async finish(): Promise<void> {
    const { exchange, sink, cut, onCut } = this.delivery;
    if (cut?.kind === 'stall') {
      if (this.stopAt === 0) await exchange.flushHead();
      return exchange.untilClosed();
    }
    if (cut) onCut();
    if (cut?.kind !== 'break_off') return sink.end();
    const partial = Buffer.from(this.frames.frame(this.stopAt)).subarray(0, cut.partial_bytes ?? 0);
    if (partial.length > 0 && !sink.send(partial)) await sink.drained();
    if (exchange.eventsSent === 0 && partial.length === 0) await exchange.flushHead();
    // The bytes have to be on their way first: destroying a socket drops what it still holds.
    await exchange.flushed();
    exchange.destroy();
  }
}

function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
