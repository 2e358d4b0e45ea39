import type { TokenUsage } from '@app/protocol';
import { costNanoUsd, type ModelPrice, type TokenPrices } from './model-price.js';
import { MULTIPLIER_ONE, multipliedNanoUsd } from './price-multiplier.js';

/** What becomes of a call for a model that has no price. */
export type UnpricedModelPolicy = 'allow' | 'refuse' | 'ceiling';

/** What a group says of prices. */
export interface PricingTerms {
  /** In ten-thousandths. */
  readonly priceMultiplier: bigint;
  readonly unpricedModels: UnpricedModelPolicy;
  /** What a call costs under `ceiling`. */
  readonly ceilingPrices: TokenPrices | null;
}

/** A cost, before and after the group's multiplier. */
export interface Charge {
  readonly baseNanoUsd: bigint;
  readonly nanoUsd: bigint;
}

/** What one call will cost: settled when it begins, whatever changes while it runs. */
export class CallPricing {
  constructor(
    /** null: the model has no price. */
    readonly version: ModelPrice | null,
    /** The service tier that was asked for. */
    readonly askedTier: string | null,
    private readonly terms: PricingTerms,
  ) {}

  /** In ten-thousandths. */
  get multiplier(): bigint {
    return this.terms.priceMultiplier;
  }

  /** What the group says of models without a price; null when the model has one. */
  get unpricedPolicy(): UnpricedModelPolicy | null {
    return this.version ? null : this.terms.unpricedModels;
  }

  /**
   * null: nobody knows what it costs.
   *
   * @param tier as the answer names it
   * @param calls how many calls the usage is the sum of
   */
  chargeOf(usage: TokenUsage, tier: string | null, calls = 1): Charge | null {
    const prices = this.pricesOf(tier);
    if (!prices) return null;
    const baseNanoUsd = costNanoUsd(usage, prices, calls);
    return { baseNanoUsd, nanoUsd: multipliedNanoUsd(baseNanoUsd, this.multiplier) };
  }

  private pricesOf(tier: string | null): TokenPrices | null {
    const { version, terms } = this;
    if (!version) return terms.unpricedModels === 'ceiling' ? terms.ceilingPrices : null;
    return (tier === null ? undefined : version.serviceTiers.get(tier)) ?? version;
  }
}

/** Of calls whose model has no price, in a group that says nothing of prices. */
export const UNPRICED = new CallPricing(null, null, {
  priceMultiplier: MULTIPLIER_ONE,
  unpricedModels: 'allow',
  ceilingPrices: null,
});
