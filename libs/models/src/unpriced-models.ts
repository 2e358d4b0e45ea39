import { Injectable, Logger } from '@nestjs/common';
import { Clock } from '@app/runtime';
import type { UnpricedModelPolicy } from './call-pricing.js';
import { ModelCatalog } from './model-catalog.js';

/** A call for a model that has no price. */
export interface UnpricedUse {
  /** By its own name when it is registered. */
  readonly model: string;
  /** What became of it: allowed at no cost, refused, or priced by the ceiling. */
  readonly policy: UnpricedModelPolicy;
  readonly groupId: string | null;
  readonly groupName: string | null;
  readonly atMs: number;
}

const WARN_EVERY_MS = 3_600_000;
/** Clients may make names up. */
const MODELS_MAX = 1_000;

const TOLD: Readonly<Record<UnpricedModelPolicy, string>> = {
  allow: 'it is used at no cost',
  refuse: 'its calls are refused',
  ceiling: 'its calls cost the ceiling_prices of their group',
};

/** Sees to it that the use of a model without a price is never silent: counted, told to who listens, and warned of in the log. */
@Injectable()
export class UnpricedModels {
  private readonly logger = new Logger(UnpricedModels.name);
  private readonly listeners: ((use: UnpricedUse) => void)[] = [];
  private readonly warnedAtMs = new Map<string, number>();
  /** Calls since start, for metrics. */
  readonly counts: Record<UnpricedModelPolicy, number> = { allow: 0, refuse: 0, ceiling: 0 };

  constructor(
    private readonly catalog: ModelCatalog,
    private readonly clock: Clock,
  ) {}

  /** Calls for each use, once; a listener's failure is logged. It must not block: it stands on the way of a call. */
  onUse(listener: (use: UnpricedUse) => void): void {
    this.listeners.push(listener);
  }

  /** Takes down that a model was used, or wanted, that has no price. */
  note(name: string, policy: UnpricedModelPolicy, groupId: string | null, groupName: string | null): void {
    this.counts[policy]++;
    const model = this.catalog.find(name)?.name ?? name;
    const use: UnpricedUse = { model, policy, groupId, groupName, atMs: this.clock.now() };
    this.warn(use);
    for (const listener of this.listeners) {
      try {
        listener(use);
      } catch (error) {
        this.logger.error(`whoever was told of a model without a price failed: ${String(error)}`);
      }
    }
  }

  /** At most once per model and hour. */
  private warn({ model, policy, groupName, atMs }: UnpricedUse): void {
    const { warnedAtMs } = this;
    if (atMs - (warnedAtMs.get(model) ?? -Infinity) < WARN_EVERY_MS) return;
    if (warnedAtMs.size >= MODELS_MAX && !warnedAtMs.has(model)) this.forgetOld(atMs);
    if (warnedAtMs.size >= MODELS_MAX && !warnedAtMs.has(model)) return;
    warnedAtMs.set(model, atMs);
    this.logger.warn(`the model ${model} has no price: ${TOLD[policy]} (group ${groupName ?? 'unknown'})`);
  }

  private forgetOld(nowMs: number): void {
    for (const [model, atMs] of this.warnedAtMs) {
      if (nowMs - atMs >= WARN_EVERY_MS) this.warnedAtMs.delete(model);
    }
  }
}
