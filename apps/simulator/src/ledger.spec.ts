import { Ledger, type LedgerEntry } from './ledger.js';
import { joinUsage } from './usage.js';

function entry(model: string, inputTokens: number): LedgerEntry {
  const input = { inputTokens, cachedTokens: 64, cacheWriteTokens: 3 };
  const usage = joinUsage(input, { outputTokens: 10, reasoningTokens: 8 });
  return { responseId: 'resp_1', model, outcome: 'completed', ...usage };
}

describe('Ledger', () => {
  it('sums every kind of token by model and overall', () => {
    const ledger = new Ledger(false);
    ledger.bill(entry('a', 100));
    ledger.bill(entry('a', 200));
    ledger.bill(entry('b', 7));
    const { overall, byModel } = ledger.totals;
    expect(overall).toEqual({
      responses: 3,
      inputTokens: 307,
      cachedTokens: 192,
      cacheWriteTokens: 9,
      outputTokens: 30,
      reasoningTokens: 24,
      totalTokens: 337,
    });
    expect(byModel['a']?.inputTokens).toBe(300);
    expect(byModel['b']).toMatchObject({ responses: 1, totalTokens: 17 });
  });

  it('keeps exact totals when a bounded list has dropped entries', () => {
    const ledger = new Ledger(true);
    for (let index = 0; index < 5000; index += 1) ledger.bill(entry('a', 1));
    expect(ledger.entries.length).toBeLessThan(2000);
    expect(ledger.totals.overall).toMatchObject({ responses: 5000, inputTokens: 5000, outputTokens: 50_000 });
  });

  it('keeps every entry when it is not bounded', () => {
    const ledger = new Ledger(false);
    for (let index = 0; index < 5000; index += 1) ledger.bill(entry('a', 1));
    expect(ledger.entries).toHaveLength(5000);
  });

  it('forgets everything at a reset', () => {
    const ledger = new Ledger(false);
    ledger.bill(entry('a', 1));
    ledger.reset();
    expect(ledger.entries).toEqual([]);
    expect(ledger.totals).toMatchObject({ overall: { responses: 0, totalTokens: 0 }, byModel: {} });
  });
});
