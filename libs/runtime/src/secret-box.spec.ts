import { randomBytes } from 'node:crypto';
import { SecretBox } from './secret-box.js';

const masterKey = randomBytes(32);
/** Our own words for what is no sealed secret, Node's for what does not authenticate. */
const REFUSED = /not a sealed secret|unable to authenticate/;
const box = new SecretBox(masterKey, 'test');

describe('SecretBox', () => {
  it('opens what it sealed, and seals the same secret differently each time', () => {
    const sealed = box.seal('sk-secret', 'upstream:1');
    expect(box.open(sealed, 'upstream:1')).toBe('sk-secret');
    expect(box.seal('sk-secret', 'upstream:1').equals(sealed)).toBe(false);
  });

  it('refuses a secret of which any one bit was changed', () => {
    const sealed = box.seal('sk-secret', 'upstream:1');
    for (let byte = 0; byte < sealed.length; byte++) {
      const broken = Buffer.from(sealed);
      broken[byte] = (broken[byte] ?? 0) ^ 1;
      expect(() => box.open(broken, 'upstream:1')).toThrow(REFUSED);
    }
    expect(() => box.open(sealed.subarray(0, 10), 'upstream:1')).toThrow(REFUSED);
  });

  it('opens only for what the secret belongs to, with its own key and purpose', () => {
    const sealed = box.seal('sk-secret', 'upstream:1');
    expect(() => box.open(sealed, 'upstream:2')).toThrow(REFUSED);
    expect(() => new SecretBox(randomBytes(32), 'test').open(sealed, 'upstream:1')).toThrow(REFUSED);
    expect(() => new SecretBox(masterKey, 'other').open(sealed, 'upstream:1')).toThrow(REFUSED);
  });
});
