import { Secret, TOTP } from 'otpauth';
import { hashOfRecoveryCode, makeRecoveryCodes, makeTotpSecret, otpauthUrl, stepOfCode } from './totp-codes.js';

/** Of RFC 6238, appendix B, whose codes have eight digits: ours are the last six of them. */
const RFC_SECRET = Secret.fromUTF8('12345678901234567890').base32;

describe('a code of the second factor', () => {
  it.each([
    [59, '287082'],
    [1_111_111_109, '081804'],
    [1_234_567_890, '005924'],
    [20_000_000_000, '353130'],
  ])('at second %d of RFC 6238 is %s', (seconds, code) => {
    expect(stepOfCode(RFC_SECRET, code, seconds * 1_000)).toBe(Math.floor(seconds / 30));
  });

  it('is good for one step before and behind its own, and says which step it is of', () => {
    const secret = makeTotpSecret();
    const nowMs = 1_800_000_015_000;
    const step = nowMs / 30_000 - 0.5;
    const codeOf = (offset: number) =>
      new TOTP({ secret: Secret.fromBase32(secret) }).generate({ timestamp: nowMs + offset * 30_000 });
    expect([-1, 0, 1].map((offset) => stepOfCode(secret, codeOf(offset), nowMs))).toEqual([step - 1, step, step + 1]);
    const near = new Set([-1, 0, 1].map(codeOf));
    for (const offset of [-3, -2, 2, 3].filter((one) => !near.has(codeOf(one)))) {
      expect(stepOfCode(secret, codeOf(offset), nowMs)).toBeNull();
    }
  });

  it.each(['', '12345', '1234567', ' 12345', '12345a', '１２３４５６', 'NaN'])('is not %j', (code) => {
    expect(stepOfCode(RFC_SECRET, code, 59_000)).toBeNull();
  });
});

describe('the URL for authenticators', () => {
  it('names the installation, the person and a secret of 160 bits', () => {
    const secret = makeTotpSecret();
    const url = new URL(otpauthUrl(secret, 'ann+x@example.com'));
    expect(url.protocol + url.host).toBe('otpauth:totp');
    expect(decodeURIComponent(url.pathname)).toBe('/Tollgate:ann+x@example.com');
    expect(url.searchParams.get('secret')).toBe(secret);
    expect(secret).toMatch(/^[A-Z2-7]{32}$/);
  });
});

describe('recovery codes', () => {
  it('are ten, all different, and known however they are typed', () => {
    const codes = makeRecoveryCodes();
    expect(new Set(codes).size).toBe(10);
    for (const code of codes) expect(code).toMatch(/^([a-z0-9]{4}-){3}[a-z0-9]{4}$/);
    const [code = ''] = codes;
    expect(hashOfRecoveryCode(` ${code.toUpperCase().replaceAll('-', ' ')}`)).toBe(hashOfRecoveryCode(code));
    expect(new Set(codes.map(hashOfRecoveryCode)).size).toBe(10);
  });
});
