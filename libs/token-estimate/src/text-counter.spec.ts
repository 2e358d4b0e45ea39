import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { TextCounter } from './text-counter.js';

describe('TextCounter', () => {
  it.each([
    'The quick brown fox jumps over the lazy dog.',
    '今天天气很好，我们一起去公园散步吧。',
    "function f() {\n\t\treturn { a: 1, 'b': [2.5e3] }; // 😀\n}\n",
    '',
  ])('counts %j exactly', (text) => {
    expect(new TextCounter().count(text)).toBe(countTokens(text));
  });

  it('takes a special token for a text', () => {
    expect(new TextCounter().count('<|endoftext|>')).toBeGreaterThan(1);
  });

  it.each([
    ['letters', 'a'],
    ['letters of three bytes', '散'],
    ['marks', '='],
    ['spaces', ' '],
  ])('takes time in proportion to a run of %s, however long', (_, character) => {
    const before = performance.now();
    expect(new TextCounter().count(character.repeat(200_000))).toBeGreaterThan(1_000);
    // Uncut, the tokenizer takes more than a minute for it.
    expect(performance.now() - before).toBeLessThan(5_000);
  });

  it('goes on by the rate of what it counted when there is too much', () => {
    const text = 'one two three four five six seven eight nine ten. '.repeat(100_000);
    const exact = countTokens(text.slice(0, 50_000)) * 100;
    expect(Math.abs(new TextCounter().count(text) / exact - 1)).toBeLessThan(0.01);
  });
});
