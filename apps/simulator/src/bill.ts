import { isObject } from './json.js';
import type { Ledger, Outcome } from './ledger.js';
import type { Script } from './script.js';
import { type InputUsage, joinUsage, type OutputUsage, type Usage, usageToJson } from './usage.js';

/** The bill of one response: what its terminal event says, and what is put into the ledger, once. */
export class Bill {
  private isSettled = false;

  constructor(
    private readonly ledger: Ledger,
    private readonly responseId: string,
    private readonly model: string,
    private readonly input: InputUsage,
    private readonly override: Script['usage'],
  ) {}

  /** The terminal event's usage as JSON; undefined when the script leaves the key out. */
  shown(generated: OutputUsage): string | undefined {
    if (this.override === undefined) return usageToJson(joinUsage(this.input, generated));
    return this.override === 'omit' ? undefined : JSON.stringify(this.override);
  }

  /** The usage of a failed response: as on the real wire null, unless the script sets one. */
  shownOnFailure(): string | undefined {
    if (this.override === 'omit') return undefined;
    return JSON.stringify(this.override ?? null);
  }

  /** Bills a response that reached its terminal event; a failed one only when it shows a usage. */
  settleEnded(outcome: 'completed' | 'incomplete' | 'failed', generated: OutputUsage): void {
    this.settle(outcome, outcome === 'failed' && !isObject(this.override) ? null : this.whole(generated));
  }

  /** Bills a response that was cut, for what was generated; nothing when not even its first event was written. */
  settleCut(outcome: 'aborted' | 'broke_off', generated: OutputUsage | null): void {
    this.settle(outcome, generated && joinUsage(inputOf(this.whole(generated)), generated));
  }

  private settle(outcome: Outcome, usage: Usage | null): void {
    if (this.isSettled) return;
    this.isSettled = true;
    if (usage) this.ledger.bill({ responseId: this.responseId, model: this.model, outcome, ...usage });
  }

  private whole(generated: OutputUsage): Usage {
    const exact = joinUsage(this.input, generated);
    return isObject(this.override) ? overridden(exact, this.override) : exact;
  }
}

function inputOf({ inputTokens, cachedTokens, cacheWriteTokens }: Usage): InputUsage {
  return { inputTokens, cachedTokens, cacheWriteTokens };
}

// A scripted usage is billed as shown: absent totals fall back to the exact ones, absent details to 0.
function overridden(exact: Usage, override: Record<string, unknown>): Usage {
  const inputDetails = isObject(override['input_tokens_details']) ? override['input_tokens_details'] : {};
  const outputDetails = isObject(override['output_tokens_details']) ? override['output_tokens_details'] : {};
  const inputTokens = numberOr(override['input_tokens'], exact.inputTokens);
  const outputTokens = numberOr(override['output_tokens'], exact.outputTokens);
  return {
    inputTokens,
    cachedTokens: numberOr(inputDetails['cached_tokens'], 0),
    cacheWriteTokens: numberOr(inputDetails['cache_write_tokens'], 0),
    outputTokens,
    reasoningTokens: numberOr(outputDetails['reasoning_tokens'], 0),
    totalTokens: numberOr(override['total_tokens'], inputTokens + outputTokens),
  };
}

function numberOr(value: unknown, fallback: number): number {
  return typeof value === 'number' ? value : fallback;
}
