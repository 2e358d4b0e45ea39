import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { RequestRecord } from '@app/journal';
import type { CallPricing } from '@app/models';
import type { TokenUsage } from '@app/protocol';
import { Clock } from '@app/runtime';
import { Lifecycle, type RunningAnswer } from '../health/lifecycle.js';
import { TurnStates } from './turn-states.js';

/** How answers are kept going; in force for all of them. */
export interface AnswerLimits {
  /** Silence after which a client's stream gets a sign of life. */
  readonly keepAliveMs: number;
  /** How long a client may read nothing. */
  readonly stalledClientMs: number;
}

const TICK_MS_MAX = 1_000;
/** Bounds of reading on for a client that has left. */
const DRAIN_MS_MAX = 120_000;
const DRAIN_BYTES_MAX = 8 * 1024 * 1024;
const DRAINS_MAX = 64;
/** Before anything is known of a model: four bytes of JSON to a token, a token to an event. */
const INPUT_TOKENS_PER_BYTE = 0.25;
const OUTPUT_TOKENS_PER_EVENT = 1;
/** Weight of the newest answer in what is learned. */
const LEARNING_RATE = 0.2;
const MODELS_MAX = 1_000;

/** What running answers share: the time, one timer for all, room for drains, and what answers of a model use. */
@Injectable()
export class AnswerKeeper implements OnApplicationBootstrap, OnApplicationShutdown {
  /** Monotonic time, a tick old at most. */
  nowMs: number;
  readonly keepAliveMs: number;
  readonly stalledClientMs: number;
  readonly drainMsMax = DRAIN_MS_MAX;
  readonly drainBytesMax = DRAIN_BYTES_MAX;
  readonly turnStates = new TurnStates();
  private readonly ratios = new Map<string, UsageRatio>();
  private drains = 0;
  private timer: NodeJS.Timeout | null = null;

  constructor(
    readonly clock: Clock,
    private readonly lifecycle: Lifecycle,
    limits: AnswerLimits,
  ) {
    this.nowMs = clock.monotonic();
    this.keepAliveMs = limits.keepAliveMs;
    this.stalledClientMs = limits.stalledClientMs;
  }

  onApplicationBootstrap(): void {
    const tickMs = Math.min(TICK_MS_MAX, this.keepAliveMs / 4, this.stalledClientMs / 4);
    this.timer = setInterval(() => this.tick(), tickMs);
    this.timer.unref();
  }

  onApplicationShutdown(): void {
    if (this.timer) clearInterval(this.timer);
  }

  opened(answer: RunningAnswer): void {
    this.lifecycle.opened(answer);
  }

  closed(answer: RunningAnswer): void {
    this.lifecycle.closed(answer);
  }

  /** Takes one of the places for answers that are read on without their client. */
  mayDrain(): boolean {
    if (this.drains >= DRAINS_MAX || this.lifecycle.isClosing) return false;
    this.drains++;
    return true;
  }

  drainEnded(): void {
    this.drains--;
  }

  /** Takes down that a call is about to be sent: before it, so that no crash leaves it without a row. */
  asking(record: RequestRecord, bodyBytes: number, pricing: CallPricing): void {
    record.noteAsked(bodyBytes === 0 ? null : this.estimate(record.model, bodyBytes, 0), pricing);
  }

  /** Takes an answer into account: learns from its usage, or estimates it where the upstream has told none. */
  account(record: RequestRecord, bodyBytes: number, eventCount: number, pricing: CallPricing): void {
    const isUntold = record.settlement === 'missing' && record.responseStatus !== 'failed';
    if (isUntold) record.settleEstimate(this.estimate(record.model, bodyBytes, eventCount), pricing);
    else this.learn(record, bodyBytes, eventCount);
  }

  /** Learns from an answer whose usage the upstream has told. */
  private learn({ model, usage, settlement }: RequestRecord, bodyBytes: number, eventCount: number): void {
    if (!usage || model === null || (settlement !== 'final' && settlement !== 'unpriced') || bodyBytes === 0) return;
    const before = this.ratios.get(model);
    if (!before && this.ratios.size >= MODELS_MAX) return;
    const input = usage.inputTokens / bodyBytes;
    const output = eventCount === 0 ? (before?.output ?? OUTPUT_TOKENS_PER_EVENT) : usage.outputTokens / eventCount;
    this.ratios.set(model, {
      input: before ? before.input + LEARNING_RATE * (input - before.input) : input,
      output: before ? before.output + LEARNING_RATE * (output - before.output) : output,
    });
  }

  /** What an answer that was cut has probably used, by what whole answers of the same model used. */
  estimate(model: string | null, bodyBytes: number, eventCount: number): TokenUsage {
    const ratio = this.ratios.get(model ?? '');
    return {
      inputTokens: Math.ceil(bodyBytes * (ratio?.input ?? INPUT_TOKENS_PER_BYTE)),
      cachedTokens: 0,
      cacheWriteTokens: 0,
      outputTokens: Math.ceil(eventCount * (ratio?.output ?? OUTPUT_TOKENS_PER_EVENT)),
      reasoningTokens: 0,
    };
  }

  private tick(): void {
    this.nowMs = this.clock.monotonic();
    this.lifecycle.tick(this.nowMs);
  }
}

interface UsageRatio {
  /** Input tokens for each byte of the body. */
  readonly input: number;
  /** Output tokens for each event. */
  readonly output: number;
}
