import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { checkSecret, makeSecret, SECRET_PATTERN } from './key-secret.js';

describe('key secrets', () => {
  it('have the published shape and are found under their SHA-256', () => {
    const secret = makeSecret();
    expect(secret).toMatch(SECRET_PATTERN);
    expect(checkSecret(secret)).toBe(createHash('sha256').update(secret).digest('hex'));
  });

  it('are refused when any one character is another', () => {
    const secret = makeSecret();
    fc.assert(
      fc.property(fc.integer({ min: 6, max: secret.length - 1 }), fc.constantFrom(...'0Az9bZ'), (at, by) => {
        fc.pre(secret[at] !== by);
        expect(checkSecret(secret.slice(0, at) + by + secret.slice(at + 1))).toBeNull();
      }),
    );
  });

  it('are refused when malformed, whatever the text', () => {
    fc.assert(fc.property(fc.string(), (text) => expect(checkSecret(text)).toBeNull()));
    expect(checkSecret(`${makeSecret()}\n`)).toBeNull();
  });

  it('differ from each other', () => {
    expect(new Set(Array.from({ length: 1000 }, makeSecret)).size).toBe(1000);
  });
});
