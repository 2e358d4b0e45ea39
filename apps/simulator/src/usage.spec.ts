import { countInputTokens, PromptCache } from './usage.js';

describe('countInputTokens', () => {
  it('counts a quarter of the characters of input JSON and instructions, rounded up', () => {
    // "12345678" with its quotes is 10 characters, the instructions 3: 13 / 4.
    expect(countInputTokens({ input: '12345678', instructions: 'abc' })).toBe(4);
  });

  it('counts at least one token', () => {
    expect(countInputTokens({})).toBe(1);
  });
});

describe('PromptCache', () => {
  it('writes the whole input at the first sight of a key', () => {
    expect(new PromptCache().account(200, 'k')).toEqual({ inputTokens: 200, cachedTokens: 0, cacheWriteTokens: 200 });
  });

  it('serves whole blocks of 64 tokens of the shorter input from then on', () => {
    const cache = new PromptCache();
    cache.account(200, 'k');
    expect(cache.account(500, 'k')).toEqual({ inputTokens: 500, cachedTokens: 192, cacheWriteTokens: 0 });
    expect(cache.account(100, 'k')).toEqual({ inputTokens: 100, cachedTokens: 64, cacheWriteTokens: 0 });
  });

  it('neither reads nor writes without a key', () => {
    const cache = new PromptCache();
    cache.account(200, undefined);
    expect(cache.account(200, undefined)).toEqual({ inputTokens: 200, cachedTokens: 0, cacheWriteTokens: 0 });
  });

  it('drops the key that was unused longest when it is full', () => {
    const cache = new PromptCache();
    for (let index = 0; index <= 10_000; index += 1) cache.account(64, `k${index}`);
    expect(cache.account(64, 'k10000').cachedTokens).toBe(64);
    expect(cache.account(64, 'k0').cachedTokens).toBe(0);
  });
});
