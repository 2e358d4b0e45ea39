import type { Usage } from './usage.js';

/** How a billed response ended: as its terminal event says, or cut by the client (aborted) or by us (broke_off). */
export type Outcome = 'completed' | 'incomplete' | 'failed' | 'aborted' | 'broke_off';

/** One billed response. */
export interface LedgerEntry extends Usage {
  responseId: string;
  model: string;
  outcome: Outcome;
}

/** Sums over billed responses. */
export interface LedgerSums extends Usage {
  responses: number;
}

/** Sums over everything, and by model. */
export interface LedgerTotals {
  overall: LedgerSums;
  byModel: Record<string, LedgerSums>;
}

const ENTRIES_MAX = 1000;

/** What the simulated service billed: the truth that a gateway's own accounting is compared with. */
export class Ledger {
  /** Billed responses, oldest first; all of them, or the last 1000 when the ledger is bounded. */
  readonly entries: LedgerEntry[] = [];
  private overall = noSums();
  private byModel = new Map<string, LedgerSums>();

  constructor(private readonly bounded: boolean) {}

  /** The exact sums of all entries ever billed since the last reset, whether still listed or not. */
  get totals(): LedgerTotals {
    return { overall: this.overall, byModel: Object.fromEntries(this.byModel) };
  }

  /** Adds one billed response. */
  bill(entry: LedgerEntry): void {
    this.entries.push(entry);
    // Dropping half at once keeps the cost per entry constant; shift() on every entry would move the whole array.
    if (this.bounded && this.entries.length >= 2 * ENTRIES_MAX) this.entries.splice(0, ENTRIES_MAX);
    let sums = this.byModel.get(entry.model);
    if (!sums) this.byModel.set(entry.model, (sums = noSums()));
    add(sums, entry);
    add(this.overall, entry);
  }

  /** Forgets everything. */
  reset(): void {
    this.entries.length = 0;
    this.overall = noSums();
    this.byModel = new Map();
  }
}

function noSums(): LedgerSums {
  return {
    responses: 0,
    inputTokens: 0,
    cachedTokens: 0,
    cacheWriteTokens: 0,
    outputTokens: 0,
    reasoningTokens: 0,
    totalTokens: 0,
  };
}

function add(sums: LedgerSums, usage: Usage): void {
  sums.responses += 1;
  sums.inputTokens += usage.inputTokens;
  sums.cachedTokens += usage.cachedTokens;
  sums.cacheWriteTokens += usage.cacheWriteTokens;
  sums.outputTokens += usage.outputTokens;
  sums.reasoningTokens += usage.reasoningTokens;
  sums.totalTokens += usage.totalTokens;
}
