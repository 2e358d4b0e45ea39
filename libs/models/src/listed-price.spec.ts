import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ListedPrice, readListedPrice, shifted } from './listed-price.js';
import { parseUsd } from './usd.js';

/** Entries of BerriAI/litellm at 00035b69, most of their `supports_*` fields left out. */
const LIST = JSON.parse(
  readFileSync(join(__dirname, '../../../test/fixtures/model_prices_and_context_window.json'), 'utf8'),
) as Record<string, unknown>;
const usd = (text: string) => parseUsd(text) ?? -1n;

const read = (name: string): ListedPrice => {
  const listed = readListedPrice(LIST[name]);
  if ('reason' in listed) throw new Error(listed.reason);
  return listed;
};
const prices = (input: string, cached: string, written: string, output: string, reasoning = output) => ({
  inputPerMillion: usd(input),
  cachedInputPerMillion: usd(cached),
  cacheWritePerMillion: usd(written),
  outputPerMillion: usd(output),
  reasoningPerMillion: usd(reasoning),
  perRequest: 0n,
});

describe('readListedPrice', () => {
  it.each([
    ['gpt-5', prices('1.25', '0.125', '1.25', '10')],
    ['gpt-5.2-pro', prices('21', '21', '21', '168')],
    ['gpt-5.6', prices('5', '0.5', '6.25', '30')],
    ['amazon.nova-2-pro-preview-20251202-v1:0', prices('2.1875', '0.546875', '2.1875', '17.5')],
    ['perplexity/sonar-deep-research', prices('2', '2', '2', '8', '3')],
    ['gigachat/GigaChat-2-Lite', prices('0', '0', '0', '0')],
  ])('reads %s to the nano-dollar', (name, expected) => expect(read(name).prices).toEqual(expected));

  it('reads service tiers; what a tier leaves out costs as much as without it, or as its own input and output', () => {
    const { serviceTiers, contextWindowTokens } = read('gpt-5.6');
    expect(contextWindowTokens).toBe(1_050_000);
    expect(Object.fromEntries(serviceTiers)).toEqual({
      flex: prices('2.5', '0.25', '3.125', '15'),
      priority: prices('10', '1', '12.5', '60'),
      batch: prices('2.5', '0.5', '6.25', '15'),
    });
  });

  it('says what it left out and why', () => {
    expect(read('gpt-5.6').notes).toContainEqual({
      field: 'input_cost_per_token_above_272k_tokens',
      reason: 'prices by the length of the context are not known here',
    });
    expect(read('perplexity/sonar-deep-research').notes.map(({ field }) => field)).toEqual([
      'citation_cost_per_token',
      'search_context_cost_per_query',
    ]);
  });

  it.each([
    ['low/1024-x-1536/gpt-image-1.5-2025-12-16', 'mode'],
    ['github_copilot/text-embedding-ada-002', 'mode'],
    ['github_copilot/gpt-5', 'input_cost_per_token'],
    ['sample_spec', 'mode'],
  ])('gives %s no price', (name, field) =>
    expect(readListedPrice(LIST[name])).toEqual({ field, reason: expect.any(String) as string }),
  );

  it.each([-1e-6, '1e-6', true, Infinity, 1])('gives no price to a cost of %j', (cost) => {
    const entry = { mode: 'chat', input_cost_per_token: cost, output_cost_per_token: 1e-6 };
    expect(readListedPrice(entry)).toMatchObject({ field: 'input_cost_per_token' });
  });
});

describe('shifted', () => {
  it.each([
    ['1.25e-06', 15, 1_250_000_000n, false],
    ['0.000168', 15, 168_000_000_000n, false],
    ['1e-15', 15, 1n, false],
    ['5e-16', 15, 1n, true],
    ['4.9e-16', 15, 0n, true],
    ['3.3333333333333335e-7', 15, 333_333_333n, true],
    ['0', 15, 0n, false],
  ])('%s by %i digits', (text, digits, value, isRounded) =>
    expect(shifted(text, digits)).toEqual({ value, isRounded }),
  );

  it.each(['-1', '', 'NaN', '1e', '.5'])('%j is no number', (text) => expect(shifted(text, 9)).toBeNull());
});
