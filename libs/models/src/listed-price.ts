import type { TokenPrices } from './model-price.js';

/** What one entry of the public price list says of a model. */
export interface ListedPrice {
  readonly prices: TokenPrices;
  readonly serviceTiers: ReadonlyMap<string, TokenPrices>;
  /** null: it does not say. */
  readonly contextWindowTokens: number | null;
  /** What was not taken over as it is, and why. */
  readonly notes: readonly ListNote[];
}

/** A field of an entry, and what became of it; without a field: the whole entry. */
export interface ListNote {
  readonly field: string | null;
  readonly reason: string;
}

/** Names of the list, and how far a cost in USD is from nano-USD per million tokens, or per request. */
const FIELDS = {
  inputPerMillion: { name: 'input_cost_per_token', digits: 15 },
  cachedInputPerMillion: { name: 'cache_read_input_token_cost', digits: 15 },
  cacheWritePerMillion: { name: 'cache_creation_input_token_cost', digits: 15 },
  outputPerMillion: { name: 'output_cost_per_token', digits: 15 },
  reasoningPerMillion: { name: 'output_cost_per_reasoning_token', digits: 15 },
  perRequest: { name: 'input_cost_per_request', digits: 9 },
} as const satisfies Record<keyof TokenPrices, { name: string; digits: number }>;
const FIELD_NAMES = Object.keys(FIELDS) as (keyof TokenPrices)[];

const TIERS: Readonly<Record<string, string>> = { _flex: 'flex', _priority: 'priority', _batches: 'batch' };
const SUFFIXES = ['', ...Object.keys(TIERS)];
const KNOWN: ReadonlySet<string> = new Set(
  SUFFIXES.flatMap((suffix) => FIELD_NAMES.map((field) => FIELDS[field].name + suffix)),
);
const MODES = new Set(['chat', 'responses']);
/** As the admin API takes them. */
const NANO_USD_MAX = 10n ** 15n;
const WINDOW_TOKENS_MIN = 1_000;
const WINDOW_TOKENS_MAX = 100_000_000;

type Given = Partial<Record<keyof TokenPrices, bigint>>;

/** Reads an entry of `model_prices_and_context_window.json`. A note alone: it has no price for the Responses API. */
export function readListedPrice(entry: unknown): ListedPrice | ListNote {
  if (typeof entry !== 'object' || entry === null) return { field: null, reason: 'the entry is not an object' };
  const fields = entry as Record<string, unknown>;
  const mode = typeof fields.mode === 'string' ? fields.mode : 'chat';
  if (!MODES.has(mode))
    return { field: 'mode', reason: `only chat and responses are priced here, not ${mode.slice(0, 60)}` };
  const notes: ListNote[] = [];
  const standard = givenOf(fields, '', notes);
  for (const field of ['inputPerMillion', 'outputPerMillion'] as const) {
    if (standard[field] === undefined) return { field: FIELDS[field].name, reason: 'there is no usable price' };
  }
  const tiers = new Map<string, TokenPrices>();
  for (const [suffix, tier] of Object.entries(TIERS)) {
    const own = givenOf(fields, suffix, notes);
    if (Object.keys(own).length > 0) tiers.set(tier, completed({ ...standard, ...own }));
  }
  notes.push(...unknownFields(fields));
  return { prices: completed(standard), serviceTiers: tiers, contextWindowTokens: windowOf(fields), notes };
}

function givenOf(fields: Record<string, unknown>, suffix: string, notes: ListNote[]): Given {
  const given: Given = {};
  for (const field of FIELD_NAMES) {
    const name = FIELDS[field].name + suffix;
    const value = fields[name];
    if (value === undefined || value === null) continue;
    const nano = typeof value === 'number' ? shifted(String(value), FIELDS[field].digits) : null;
    if (!nano) notes.push({ field: name, reason: 'is not a cost: a number that is not negative was expected' });
    else if (nano.value >= NANO_USD_MAX) notes.push({ field: name, reason: 'is larger than any price can be here' });
    else {
      given[field] = nano.value;
      if (nano.isRounded) notes.push({ field: name, reason: 'has more digits than nano-USD, and was rounded half up' });
    }
  }
  return given;
}

/** What is not given costs as much as any other token of its kind. */
function completed(given: Given): TokenPrices {
  const { inputPerMillion = 0n, outputPerMillion = 0n } = given;
  return {
    inputPerMillion,
    cachedInputPerMillion: given.cachedInputPerMillion ?? inputPerMillion,
    cacheWritePerMillion: given.cacheWritePerMillion ?? inputPerMillion,
    outputPerMillion,
    reasoningPerMillion: given.reasoningPerMillion ?? outputPerMillion,
    perRequest: given.perRequest ?? 0n,
  };
}

/** Everything else that speaks of money: what it would change is not known here. */
function unknownFields(fields: Record<string, unknown>): ListNote[] {
  return Object.entries(fields)
    .filter(
      ([name, value]) => !KNOWN.has(name) && /cost|pricing|multiplier/.test(name) && value !== 0 && value !== null,
    )
    .map(([field]) => ({
      field,
      reason: /_above_\d+k?_tokens/.test(field)
        ? 'prices by the length of the context are not known here'
        : 'is not known here',
    }));
}

function windowOf({ max_input_tokens: tokens }: Record<string, unknown>): number | null {
  if (typeof tokens !== 'number' || !Number.isInteger(tokens)) return null;
  return tokens >= WINDOW_TOKENS_MIN && tokens <= WINDOW_TOKENS_MAX ? tokens : null;
}

/**
 * The decimal text of a number, such as 1.25e-06, times a power of ten, as an integer: rounded half up when there are more
 * digits. By its digits, because arithmetic of floating point would change them. null: not a number, or negative.
 */
export function shifted(text: string, digits: number): { value: bigint; isRounded: boolean } | null {
  const match = /^(\d+)(?:\.(\d+))?(?:e([+-]?\d{1,3}))?$/i.exec(text);
  if (!match) return null;
  const [, whole = '', fraction = '', exponent = '0'] = match;
  const all = BigInt(whole + fraction);
  const power = Number(exponent) - fraction.length + digits;
  if (power >= 0) return { value: all * 10n ** BigInt(power), isRounded: false };
  const divisor = 10n ** BigInt(-power);
  return { value: (all * 2n + divisor) / (divisor * 2n), isRounded: all % divisor !== 0n };
}
