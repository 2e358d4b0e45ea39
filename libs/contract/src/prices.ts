import { z } from 'zod';
import { Timestamp, Usd } from './fields.js';
import { pageOf } from './page.js';

const PRICE_NAMES = [
  'input_per_million_usd',
  'cached_input_per_million_usd',
  'cache_write_per_million_usd',
  'output_per_million_usd',
  'reasoning_per_million_usd',
  'per_request_usd',
] as const;

const TIER_NAME = /^[\w.-]{1,64}$/;
const TIERS_MAX = 20;
/** What an answer says that was served by no tier of its own. */
const STANDARD_TIERS = new Set(['default', 'auto']);

const tokenPrices = {
  input_per_million_usd: Usd,
  cached_input_per_million_usd: Usd.optional().meta({ description: 'Default: the input price' }),
  cache_write_per_million_usd: Usd.optional().meta({ description: 'Default: the input price' }),
  output_per_million_usd: Usd,
  reasoning_per_million_usd: Usd.optional().meta({ description: 'Default: the output price' }),
  per_request_usd: Usd.default('0'),
};

/** The price of each kind of token, and of a call. */
export const TokenPricesInput = z.strictObject(tokenPrices).meta({ id: 'TokenPricesInput' });
export type TokenPricesInput = z.infer<typeof TokenPricesInput>;

const tier = z
  .strictObject({ ...tokenPrices, per_request_usd: Usd })
  .partial()
  .meta({
    description:
      'What is left out costs as much as without a tier; what was not given there either, as much as the input or output of the tier',
  });

const serviceTiers = z
  .record(z.string(), tier)
  .superRefine((tiers, context) => {
    const names = Object.keys(tiers);
    for (const name of names) {
      if (STANDARD_TIERS.has(name)) {
        context.addIssue({ code: 'custom', path: [name], message: 'is the standard price, and has none of its own' });
      } else if (!TIER_NAME.test(name)) {
        context.addIssue({ code: 'custom', path: [name], message: 'must be the name of a service tier, such as flex' });
      }
    }
    if (names.length > TIERS_MAX) {
      context.addIssue({ code: 'custom', path: [], message: `must have at most ${TIERS_MAX} tiers` });
    }
  })
  .meta({ description: 'Prices of service tiers, such as flex, priority or batch' });

export const PricesInput = z
  .strictObject({
    ...tokenPrices,
    service_tiers: serviceTiers.default({}),
    effective_from: Timestamp.optional().meta({ description: 'From when on they count, past or future; default: now' }),
  })
  .meta({ id: 'PricesInput' });
export type PricesInput = z.infer<typeof PricesInput>;

export const AddPrice = PricesInput.meta({ id: 'AddPrice' });
export type AddPrice = PricesInput;

const shown = Object.fromEntries(PRICE_NAMES.map((name) => [name, z.string()])) as Record<
  (typeof PRICE_NAMES)[number],
  z.ZodString
>;
/** Prices as the API shows them: nothing is left out, but the tiers when there are none. */
export const Prices = z.object({ ...shown, service_tiers: z.record(z.string(), z.object(shown)).optional() });
export type Prices = z.infer<typeof Prices>;

export const Price = z
  .object({
    id: z.string(),
    model_id: z.string(),
    effective_from: z.string(),
    state: z.enum(['scheduled', 'in_effect', 'superseded']),
    priced: z.boolean().meta({ description: 'false: from here on the model has no price' }),
    ...Object.fromEntries(PRICE_NAMES.map((name) => [name, z.string().nullable()])),
    service_tiers: z.record(z.string(), z.object(shown)),
    created_at: z.string(),
  })
  .meta({ id: 'Price' });
export type Price = z.infer<typeof Price> & Record<(typeof PRICE_NAMES)[number], string | null>;

export const PriceList = pageOf(Price).meta({ id: 'PriceList' });
