/** Networks by what they are for; the first that holds an address names it. */
export type NamedNetworks = readonly (readonly [what: string, ...cidrs: string[]])[];

/** What an operator may open with UPSTREAM_PRIVATE_CIDRS: hosts of his own can live there. */
export const PRIVATE_NETWORKS: NamedNetworks = [
  ['a loopback address', '127.0.0.0/8', '::1/128'],
  ['a private address', '10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'],
  ['a shared address of a carrier', '100.64.0.0/10'],
  ['an address for benchmarks', '198.18.0.0/15', '2001:2::/48'],
  ['an address for documentation', '192.0.2.0/24', '198.51.100.0/24', '203.0.113.0/24', '2001:db8::/32', '3fff::/20'],
  ['an address of the IETF', '192.0.0.0/24', '192.88.99.0/24', '2001::/23'],
];

/** What nothing opens: where clouds hand out their secrets, where no upstream can be, and what hides another address. */
export const FORBIDDEN_NETWORKS: NamedNetworks = [
  ['a link-local address', '169.254.0.0/16', 'fe80::/10'],
  [
    'an address of a cloud’s metadata service',
    '100.100.100.200/32', // Alibaba
    '168.63.129.16/32', // Azure
    '192.0.0.192/32', // Oracle
    'fd00:ec2::254/128', // AWS
    'fd20:ce::254/128', // Google
    'fd00:42::42/128', // Scaleway
  ],
  ['an unspecified address', '0.0.0.0/8', '::/128'],
  ['a multicast address', '224.0.0.0/4', 'ff00::/8'],
  ['a reserved address', '240.0.0.0/4', 'fec0::/10'],
  ['a 6to4 address', '2002::/16'],
  ['a Teredo address', '2001::/32'],
  ['a locally translated address', '64:ff9b:1::/48'],
];

/** IPv6 gives addresses to public hosts from here only. */
export const PUBLIC_IPV6 = '2000::/3';

/** Names under which clouds hand out secrets, whatever they resolve to. */
export const METADATA_NAMES: ReadonlySet<string> = new Set([
  'metadata',
  'metadata.google.internal',
  'metadata.goog',
  'metadata.azure.internal',
  'metadata.azure.com',
  'metadata.tencentyun.com',
  'metadata.packet.net',
  'metadata.platformequinix.com',
  'instance-data',
  'instance-data.ec2.internal',
  'rancher-metadata',
]);

/** Ports of widespread services that speak no HTTP, where a request could be taken for commands. */
export const FOREIGN_PORTS: ReadonlySet<number> = new Set([
  20, 21, 22, 23, 25, 53, 69, 110, 111, 119, 123, 135, 137, 138, 139, 143, 161, 179, 389, 445, 465, 512, 513, 514, 515,
  548, 554, 587, 631, 636, 873, 989, 990, 993, 995, 1433, 1521, 1723, 2049, 3306, 3389, 3690, 4369, 5060, 5061, 5432,
  5672, 5900, 6000, 6379, 6432, 6666, 6667, 9042, 9092, 9300, 11211, 26379, 27017, 27018,
]);
