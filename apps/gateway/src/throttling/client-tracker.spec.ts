import { trackerOf } from './client-tracker.js';

describe('trackerOf', () => {
  it.each([
    ['an IPv4 address', '192.0.2.7', '192.0.2.7'],
    ['an IPv4 address inside an IPv6 one', '::ffff:192.0.2.7', '192.0.2.7'],
    ['the same in hexadecimal', '::FFFF:c000:207', '192.0.2.7'],
    ['an IPv6 address', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['another of its network', '2001:0DB8:0001:0002::1', '2001:db8:1:2::/64'],
    ['one of the next network', '2001:db8:1:3::1', '2001:db8:1:3::/64'],
    ['a link-local address with its interface', 'fe80::1%eth0', 'fe80::/64'],
    ['loopback', '127.0.0.1', '127.0.0.1'],
    ['IPv6 loopback', '::1', '::1'],
  ])('counts %s by %s as %s', (_, address, tracker) => {
    expect(trackerOf(address)).toBe(tracker);
  });

  it.each([
    undefined,
    '',
    'localhost',
    '192.0.2',
    '192.0.2.7:80',
    '1:2:3',
    '%eth0',
    '/run/tollgate.sock',
    'x'.repeat(9_999),
  ])('counts %j, which is no address, as one client', (address) => {
    expect(trackerOf(address)).toBe('unknown');
  });
});
