import fc from 'fast-check';
import { costNanoUsd } from './model-price.js';
import { formatUsd, parseUsd } from './usd.js';

const usd = (text: string) => parseUsd(text) ?? -1n;
const price = {
  inputPerMillion: usd('1.25'),
  cachedInputPerMillion: usd('0.125'),
  cacheWritePerMillion: usd('1.5625'),
  outputPerMillion: usd('10'),
  reasoningPerMillion: usd('12'),
  perRequest: usd('0.001'),
};

describe('costNanoUsd', () => {
  it('charges each token once, at its own price, to the nano-dollar', () => {
    const usage = {
      inputTokens: 1000,
      cachedTokens: 640,
      cacheWriteTokens: 100,
      outputTokens: 50,
      reasoningTokens: 20,
    };
    // 260 × 1250 + 640 × 125 + 100 × 1562.5 + 30 × 10000 + 20 × 12000 + 1 000 000
    expect(costNanoUsd(usage, price)).toBe(325_000n + 80_000n + 156_250n + 300_000n + 240_000n + 1_000_000n);
  });

  it('is never negative, and never more than all tokens at their dearest, whatever an upstream counts', () => {
    const tokens = fc.nat({ max: 1_000_000_000 });
    const usages = fc.record({
      inputTokens: tokens,
      cachedTokens: tokens,
      cacheWriteTokens: tokens,
      outputTokens: tokens,
      reasoningTokens: tokens,
    });
    fc.assert(
      fc.property(usages, fc.integer({ min: 1, max: 9 }), (usage, calls) => {
        const cost = costNanoUsd(usage, price, calls);
        const dearest = BigInt(usage.inputTokens) * 1_563n + BigInt(usage.outputTokens) * 12_000n;
        expect(cost >= 0n && cost <= dearest + BigInt(calls) * price.perRequest).toBe(true);
      }),
    );
  });

  it('rounds half up, once', () => {
    const cheap = { ...price, inputPerMillion: 500_000n, perRequest: 0n };
    const usage = { inputTokens: 1, cachedTokens: 0, cacheWriteTokens: 0, outputTokens: 0, reasoningTokens: 0 };
    expect(costNanoUsd(usage, cheap)).toBe(1n);
  });
});

describe('USD strings', () => {
  it.each(['0', '1.25', '0.000000001', '999999999.999999999', '10'])(
    '%s survives the way to nano-USD and back',
    (text) => expect(formatUsd(usd(text))).toBe(text),
  );

  it.each(['', '-1', '1,5', '1e3', '.5', '1.', '0.0000000001', ' 1'])('%j is refused', (text) =>
    expect(parseUsd(text)).toBeNull(),
  );
});
