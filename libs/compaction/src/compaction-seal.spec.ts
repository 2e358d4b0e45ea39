import { CompactionSeal, compactionKeyOf, modelFamily } from './compaction-seal.js';

const NOW = 1_780_000_000;
const ORIGIN = { groupId: 'group-a', modelFamily: 'gpt-5', createdAtSeconds: NOW };
const DAY = 86_400;

const sealOf = (byte: number) => new CompactionSeal(compactionKeyOf(Buffer.alloc(32, byte)), () => 30 * DAY);
const seal = sealOf(1);
const SUMMARY = 'FACT-ONE is seven, in 中文 too. '.repeat(100);

describe('a sealed compaction', () => {
  it('gives back its summary and where it comes from, and is shorter than its text', () => {
    const sealed = seal.seal(SUMMARY, ORIGIN);
    expect(seal.open(sealed, 'group-a', NOW)).toEqual({
      summary: SUMMARY,
      modelFamily: 'gpt-5',
      createdAtSeconds: NOW,
    });
    expect(sealed.length).toBeLessThan(SUMMARY.length / 4);
    expect(sealed).not.toContain(Buffer.from('seven').toString('base64url'));
  });

  it('is another text each time', () => expect(seal.seal(SUMMARY, ORIGIN)).not.toBe(seal.seal(SUMMARY, ORIGIN)));

  it('does not open for another group, under another key, nor with any bit changed', () => {
    const sealed = seal.seal(SUMMARY, ORIGIN);
    expect(() => seal.open(sealed, 'group-b', NOW)).toThrow('cannot be opened');
    expect(() => sealOf(2).open(sealed, 'group-a', NOW)).toThrow('cannot be opened');
    const bytes = Buffer.from(sealed.slice(5), 'base64url');
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const changed = Buffer.from(bytes);
      changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => seal.open(`tgc1.${changed.toString('base64url')}`, 'group-a', NOW)).toThrow('cannot be opened');
    }
  });

  it('expires, and is not taken from the future', () => {
    const sealed = seal.seal(SUMMARY, ORIGIN);
    expect(() => seal.open(sealed, 'group-a', NOW + 30 * DAY)).not.toThrow();
    expect(() => seal.open(sealed, 'group-a', NOW + 30 * DAY + 1)).toThrow('has expired');
    expect(() => seal.open(sealed, 'group-a', NOW - 301)).toThrow('has expired');
  });

  it('opens under an older key that is still known', () => {
    const sealed = seal.seal(SUMMARY, ORIGIN);
    const newer = sealOf(3);
    newer.addOlder(compactionKeyOf(Buffer.alloc(32, 1)));
    expect(newer.open(sealed, 'group-a', NOW).summary).toBe(SUMMARY);
  });

  it.each(['', 'tgc1.', 'tgc1.AAAA', 'tgc1. ', 'gAAAAAB', `tgc1.${'A'.repeat(200)}`])('is not %j', (text) =>
    expect(() => seal.open(text, 'group-a', NOW)).toThrow('cannot be opened'),
  );
});

describe('modelFamily', () => {
  it.each([
    ['gpt-5.5-codex', 'gpt-5'],
    ['openai/gpt-5.5-2026-01-01', 'gpt-5'],
    ['o3-mini', 'o3'],
    ['GPT-6-sol', 'gpt-6'],
    ['twin', 'twin'],
  ])('of %s is %s', (model, family) => expect(modelFamily(model)).toBe(family));
});
