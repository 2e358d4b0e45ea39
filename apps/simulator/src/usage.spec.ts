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
  const message = (letter: string, characters = 400) => ({ role: 'user', content: letter.repeat(characters) });
  const body = (letters: string, fields: object = {}) => ({
    prompt_cache_key: 'k',
    instructions: 'i'.repeat(400),
    input: [...letters].map((letter) => message(letter)),
    ...fields,
  });

  it('writes the whole input at the first sight of a key', () => {
    const inputTokens = countInputTokens(body('ab'));
    expect(new PromptCache().account(body('ab'))).toEqual({
      inputTokens,
      cachedTokens: 0,
      cacheWriteTokens: inputTokens,
    });
  });

  it('serves whole blocks of 64 tokens of what a prompt begins with from then on', () => {
    const cache = new PromptCache();
    cache.account(body('ab'));
    // 400 characters of instructions and 431 of each message, by four: 315 tokens.
    expect(cache.account(body('abc'))).toMatchObject({ cachedTokens: 256, cacheWriteTokens: 0 });
    expect(cache.account(body('abc'))).toMatchObject({ cachedTokens: 384 });
    expect(cache.account(body('axc'))).toMatchObject({ cachedTokens: 192 });
    expect(cache.account(body('a'))).toMatchObject({ cachedTokens: 192 });
  });

  it.each([{ instructions: 'j' }, { tools: [{ type: 'web_search' }] }, { model: 'other' }])(
    'serves nothing when the prompt begins in another way: %j',
    (fields) => {
      const cache = new PromptCache();
      cache.account(body('ab'));
      expect(cache.account(body('ab', fields)).cachedTokens).toBe(0);
    },
  );

  it('neither reads nor writes without a key', () => {
    const cache = new PromptCache();
    const keyless = body('ab', { prompt_cache_key: undefined });
    cache.account(keyless);
    expect(cache.account(keyless)).toMatchObject({ cachedTokens: 0, cacheWriteTokens: 0 });
  });

  it('drops the key that was unused longest when it is full', () => {
    const cache = new PromptCache();
    for (let index = 0; index <= 10_000; index += 1) cache.account(body('a', { prompt_cache_key: `k${index}` }));
    expect(cache.account(body('a', { prompt_cache_key: 'k10000' })).cachedTokens).toBe(192);
    expect(cache.account(body('a', { prompt_cache_key: 'k0' })).cachedTokens).toBe(0);
  });
});
