import { isOfDomain, vouchedPerson } from './vouched-person.js';

const ISSUER = 'https://login.example.com';
const ENTRA = 'https://login.microsoftonline.com/4f2c/v2.0';

describe('somebody whom a provider vouches for', () => {
  it('is known by an address in lower case, and by a name, or else by the address', () => {
    const claims = { email: ' Ann@Example.com ', email_verified: true };
    expect(vouchedPerson({ ...claims, name: ' Ann A. ' }, ISSUER)).toEqual({
      email: 'ann@example.com',
      name: 'Ann A.',
    });
    for (const name of [undefined, '', 7, 'x'.repeat(101), 'a\0b']) {
      expect(vouchedPerson({ ...claims, name }, ISSUER)).toEqual({ email: 'ann@example.com', name: 'ann@example.com' });
    }
  });

  it.each([undefined, null, '', 'ann', 'ann@', 'a nn@example.com', 'ann@example.com\0', 7, ['ann@example.com']])(
    'has no address when it is %j',
    (email) => expect(vouchedPerson({ email, email_verified: true }, ISSUER)).toBe('missing'),
  );

  it.each([undefined, false, null, 'true', 1])('has not shown that it is his when email_verified is %j', (verified) => {
    expect(vouchedPerson({ email: 'ann@example.com', email_verified: verified }, ISSUER)).toBe('unverified');
  });

  it('of Entra has shown it when the domain is the tenant’s own, unless email_verified says no', () => {
    const email = 'ann@example.com';
    for (const edov of [true, 1, '1']) {
      expect(vouchedPerson({ email, xms_edov: edov }, ENTRA)).toMatchObject({ email });
      expect(vouchedPerson({ email, xms_edov: edov }, ISSUER)).toBe('unverified');
      expect(vouchedPerson({ email, xms_edov: edov, email_verified: false }, ENTRA)).toBe('unverified');
    }
    for (const edov of [undefined, false, 0, '0', 'false']) {
      expect(vouchedPerson({ email, xms_edov: edov }, ENTRA)).toBe('unverified');
    }
  });
});

describe('a list of domains', () => {
  it.each([
    ['ann@example.com', [], true],
    ['ann@example.com', ['example.org', 'example.com'], true],
    ['ann@sub.example.com', ['example.com'], false],
    ['ann@evilexample.com', ['example.com'], false],
    ['ann@example.com.evil.org', ['example.com'], false],
  ])('lets %s pass through %j: %s', (email, domains, isAllowed) => {
    expect(isOfDomain(email, domains)).toBe(isAllowed);
  });
});
