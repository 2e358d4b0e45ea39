import type { LookupAddress } from 'node:dns';
import fc from 'fast-check';
import { AddressPolicy } from './address-policy.js';
import { checkBaseUrl } from './base-url.js';

const HTTPS = { isTls: true, port: 443 };
const HTTP = { isTls: false, port: 80 };
const nothingOpened = new AddressPolicy([]);
const everythingOpened = new AddressPolicy(['0.0.0.0/0', '::/0']);

/** A policy for which each name has the addresses of this table, one list after the other, the last for ever. */
function withNames(privateCidrs: string[], names: Record<string, string[][]>): AddressPolicy {
  const lookup = (host: string, _: object, callback: (error: Error | null, addresses: LookupAddress[]) => void) => {
    const answers = names[host] ?? [];
    const addresses = answers.length > 1 ? answers.shift() : answers[0];
    if (!addresses) return callback(Object.assign(new Error('no such name'), { code: 'ENOTFOUND' }), []);
    callback(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
  return new AddressPolicy(privateCidrs, lookup as never);
}

describe('AddressPolicy', () => {
  it.each([
    ['127.0.0.1', 'loopback'],
    ['127.255.255.254', 'loopback'],
    ['10.0.0.1', 'private'],
    ['172.31.255.255', 'private'],
    ['192.168.1.1', 'private'],
    ['100.64.0.1', 'carrier'],
    ['192.0.0.1', 'IETF'],
    ['192.0.2.1', 'documentation'],
    ['198.19.255.255', 'benchmarks'],
    ['::1', 'loopback'],
    ['fc00::1', 'private'],
    ['2001:db8::1', 'documentation'],
    ['4000::1', 'no public address'],
    ['::ffff:10.0.0.1', 'private'],
    ['::ffff:7f00:1', 'loopback'],
    ['64:ff9b::127.0.0.1', 'loopback'],
  ])('opens %s (%s) only when it is listed', (address, what) => {
    const refusal = nothingOpened.refusalOfAddress(HTTPS, address);
    expect(refusal).toContain(what);
    expect(refusal).toContain('UPSTREAM_PRIVATE_CIDRS');
    expect(everythingOpened.refusalOfAddress(HTTP, address)).toBeNull();
  });

  it.each([
    '169.254.169.254',
    '169.254.170.2',
    '169.254.0.1',
    'fe80::1',
    'fe80::1%eth0',
    'fd00:ec2::254',
    '100.100.100.200',
    '168.63.129.16',
    '::ffff:169.254.169.254',
    '::ffff:a9fe:a9fe',
    '64:ff9b::a9fe:a9fe',
    '64:ff9b:1::a9fe:a9fe',
    '2002:a9fe:a9fe::1',
    '2002:7f00:1::',
    '2001:0:7f00:1::1',
    '::169.254.169.254',
    '::8.8.8.8',
    '0.0.0.0',
    '0.1.2.3',
    '::',
    '224.0.0.1',
    'ff02::1',
    '255.255.255.255',
    '240.0.0.1',
    'no address',
    '',
  ])('never opens %j, whatever is listed', (address) => {
    expect(everythingOpened.refusalOfAddress(HTTPS, address)).not.toBeNull();
    expect(everythingOpened.refusalOfAddress(HTTPS, address)).not.toContain('UPSTREAM_PRIVATE_CIDRS');
  });

  it.each(['8.8.8.8', '1.1.1.1', '172.32.0.1', '2606:4700::1111', '64:ff9b::8.8.8.8'])(
    'lets https, but not http, to the public address %s',
    (address) => {
      expect(nothingOpened.refusalOfAddress(HTTPS, address)).toBeNull();
      expect(nothingOpened.refusalOfAddress(HTTP, address)).toContain('use https');
    },
  );

  it('keeps away from ports where another protocol is spoken, listed or not', () => {
    const at = (address: string, port: number) => everythingOpened.refusalOfAddress({ isTls: true, port }, address);
    const inPublic = (port: number) => nothingOpened.refusalOfAddress({ isTls: true, port }, '8.8.8.8');
    for (const port of [0, 22, 25, 5432, 6379, 11_211]) {
      expect(at('10.0.0.1', port)).toContain(`port ${port}`);
      expect(inPublic(port)).toContain(`port ${port}`);
    }
    for (const port of [9, 80, 443, 8000, 11_434, 65_535]) expect(at('10.0.0.1', port)).toBeNull();
    for (const port of [443, 1_024, 8_443]) expect(inPublic(port)).toBeNull();
    for (const port of [80, 81, 1_023]) expect(inPublic(port)).toContain('443');
  });

  it.each(['metadata.google.internal', 'METADATA.google.internal.', 'metadata', 'instance-data'])(
    'refuses the name %s whatever it resolves to',
    async (host) => {
      const policy = withNames(['0.0.0.0/0'], { [host]: [['8.8.8.8']] });
      expect(await policy.refusal(HTTPS, host, 100)).toContain('metadata');
    },
  );

  it('refuses a name of which any address is refused', async () => {
    const policy = withNames([], { mixed: [['8.8.8.8', '10.0.0.1']], fine: [['8.8.8.8', '2606:4700::1111']] });
    expect(await policy.refusal(HTTPS, 'mixed', 100)).toContain('10.0.0.1');
    expect(await policy.refusal(HTTPS, 'fine', 100)).toBeNull();
    expect(await policy.refusal(HTTP, 'fine', 100)).toContain('use https');
    expect(await policy.refusal(HTTPS, 'nowhere', 100)).toBe('unresolved');
  });

  it('gives up on a name that takes too long', async () => {
    const policy = new AddressPolicy([], (() => undefined) as never);
    expect(await policy.refusal(HTTPS, 'slow', 10)).toBe('unresolved');
  });

  it('lets the simulator, and nobody else, to loopback', () => {
    const simulator = nothingOpened.forSimulator();
    expect(simulator.refusalOfAddress(HTTP, '127.0.0.1')).toBeNull();
    expect(simulator.refusalOfAddress(HTTP, '10.0.0.1')).not.toBeNull();
    expect(nothingOpened.refusalOfAddress(HTTP, '127.0.0.1')).not.toBeNull();
  });
});

describe('an IPv4 address that is not open', () => {
  const DENIED = [
    [0x0a000000, 8],
    [0x7f000000, 8],
    [0x00000000, 8],
    [0xa9fe0000, 16],
    [0xac100000, 12],
    [0xc0a80000, 16],
    [0x64400000, 10],
    [0xc6120000, 15],
    [0xe0000000, 4],
    [0xf0000000, 4],
  ] as const;
  const denied = fc
    .constantFrom(...DENIED)
    .chain(([base, bits]) => fc.nat(2 ** (32 - bits) - 1).map((offset) => base + offset));
  const bytes = (ip: number) => [ip >>> 24, (ip >>> 16) & 255, (ip >>> 8) & 255, ip & 255];
  const dotted = (ip: number) => bytes(ip).join('.');
  const hex = (number: number) => `0x${number.toString(16)}`;
  const octal = (number: number) => `0${number.toString(8)}`;
  const groups = (ip: number) => `${(ip >>> 16).toString(16)}:${(ip & 65_535).toString(16)}`;
  const wide = (text: string) => text.replace(/[0-9.]/g, (c) => String.fromCharCode(c.charCodeAt(0) + 0xfee0));
  const FORMS: ((ip: number) => string)[] = [
    dotted,
    String,
    hex,
    octal,
    (ip) => bytes(ip).map(hex).join('.'),
    (ip) => bytes(ip).map(octal).join('.'),
    (ip) => `${ip >>> 24}.${ip & 0xffffff}`,
    (ip) => `${ip >>> 24}.${(ip >>> 16) & 255}.${ip & 65_535}`,
    (ip) => `${dotted(ip)}.`,
    (ip) => wide(dotted(ip)),
    (ip) => dotted(ip).replaceAll('.', '。'),
    (ip) => dotted(ip).replace(/\d/g, (digit) => `%3${digit}`),
    (ip) => `[::ffff:${dotted(ip)}]`,
    (ip) => `[::ffff:${groups(ip)}]`,
    (ip) => `[0:0:0:0:0:FFFF:${groups(ip)}]`,
    (ip) => `[::${dotted(ip)}]`,
    (ip) => `[64:ff9b::${dotted(ip)}]`,
    (ip) => `[64:ff9b:1::${groups(ip)}]`,
    (ip) => `[2002:${groups(ip)}::1]`,
    (ip) => `[2001:0:${groups(ip)}::1]`,
  ];

  it('passes in no textual or embedded form', async () => {
    const property = fc.asyncProperty(denied, fc.constantFrom(...FORMS), async (ip, form) => {
      expect(await checkBaseUrl(`https://${form(ip)}`, nothingOpened)).toHaveProperty('problem');
    });
    await fc.assert(property, { numRuns: 2_000 });
  });
});
