import { lookup, type LookupAddress } from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import {
  FORBIDDEN_NETWORKS,
  FOREIGN_PORTS,
  METADATA_NAMES,
  type NamedNetworks,
  PRIVATE_NETWORKS,
  PUBLIC_IPV6,
} from './network-ranges.js';

const HTTPS_PORT = 443;
/** Public ports below this one belong to other services, but for HTTPS. */
const UNPRIVILEGED_PORT_MIN = 1_024;
const LOOPBACK_CIDRS = ['127.0.0.0/8', '::1/128'];

/** What is to be connected to, besides the address. */
export interface Service {
  readonly isTls: boolean;
  readonly port: number;
}

/** A connection that the address policy does not allow; nothing has been dialled. */
export class AddressDeniedError extends Error {
  readonly code = 'ERR_ADDRESS_DENIED';
}

/**
 * Says which addresses the gateway may connect to: `https:` anywhere in public, everything else only inside the private
 * networks that the operator has listed, and link-local and metadata addresses never. Reasons are given as the rest of a
 * sentence that begins with the URL's field.
 */
export class AddressPolicy {
  private readonly opened = new BlockList();

  /**
   * @param privateCidrs what UPSTREAM_PRIVATE_CIDRS lists
   * @param lookupName resolves names, as Node does it
   */
  constructor(
    private readonly privateCidrs: readonly string[],
    private readonly lookupName: typeof lookup = lookup,
  ) {
    for (const cidr of privateCidrs) addCidr(this.opened, cidr);
  }

  /** The same policy for the bundled simulator, which is on loopback whatever the operator has listed. */
  forSimulator(): AddressPolicy {
    return new AddressPolicy([...this.privateCidrs, ...LOOPBACK_CIDRS], this.lookupName);
  }

  /** Why this host must not be connected to, as far as that can be said without resolving it; null: go on. */
  refusalOfHost(service: Service, host: string): string | null {
    if (isIP(host) !== 0) return this.refusalOfAddress(service, host);
    const name = host.toLowerCase().replace(/\.+$/, '');
    // Resolvers need not know these names, and some ask other machines for them.
    if (/(?:^|\.)localhost$/.test(name)) return this.refusalOfAddress(service, '127.0.0.1');
    if (METADATA_NAMES.has(name)) {
      return `leads to ${host}, a name of a cloud's metadata service: that is never allowed`;
    }
    return foreignPort(service);
  }

  /** Why this address must not be connected to; null: it may. What is no IP address never may. */
  refusalOfAddress(service: Service, address: string): string | null {
    // A zone says through which interface, not whereto.
    const [plain = ''] = address.split('%', 1);
    const family = isIP(plain);
    if (family === 0) return `leads to ${address}, which is no IP address`;
    const inner = family === 6 ? embeddedIpv4(plain) : null;
    if (inner === 'invalid') return `leads to ${address}, an outdated form of address: that is never allowed`;
    const judged = inner ?? plain;
    const forbidden = nameOf(FORBIDDEN, judged);
    const shown = judged === address ? address : `${address} (${judged})`;
    if (forbidden) return `leads to ${shown}, ${forbidden}: that is never allowed`;
    if (contains(this.opened, judged)) return foreignPort(service);
    const kept =
      nameOf(PRIVATE, judged) ?? (isIP(judged) === 6 && !contains(PUBLIC, judged) ? 'no public address' : null);
    if (kept) return `leads to ${shown}, ${kept}: to allow that, list its network in UPSTREAM_PRIVATE_CIDRS`;
    if (!service.isTls) {
      return `leads to ${shown} by http: use https, or list its network in UPSTREAM_PRIVATE_CIDRS`;
    }
    if (service.port !== HTTPS_PORT && service.port < UNPRIVILEGED_PORT_MIN) {
      return `names port ${service.port}: public addresses are reached on port 443 or from 1024 on`;
    }
    return foreignPort(service);
  }

  /**
   * Why this host must not be connected to, by all addresses that it has now.
   *
   * @returns 'unresolved' when it is a name that has no address within the time limit
   */
  async refusal(service: Service, host: string, limitMs: number): Promise<string | 'unresolved' | null> {
    const refusal = this.refusalOfHost(service, host);
    if (refusal !== null || isIP(host) !== 0) return refusal;
    const addresses = await this.addressesOf(host, limitMs);
    return addresses.length === 0 ? 'unresolved' : this.firstRefusal(service, addresses);
  }

  /**
   * For `net.connect`: resolves a name once and hands out its addresses only if all of them are allowed, so that what was
   * checked is what is dialled. Node does not ask it for hosts that are IP addresses: `refusalOfHost` is for those.
   */
  lookup(service: Service): LookupFunction {
    return (host, options, callback) => {
      this.lookupName(host, { ...options, all: true }, (error, addresses) => {
        if (error) return callback(error, '', 0);
        const refusal = this.firstRefusal(service, addresses);
        if (refusal !== null) return callback(new AddressDeniedError(`the host ${host} ${refusal}`), '', 0);
        const [first] = addresses;
        if (options.all || !first) return callback(null, addresses);
        callback(null, first.address, first.family);
      });
    };
  }

  private firstRefusal(service: Service, addresses: readonly LookupAddress[]): string | null {
    for (const { address } of addresses) {
      const refusal = this.refusalOfAddress(service, address);
      if (refusal !== null) return refusal;
    }
    return null;
  }

  private addressesOf(host: string, limitMs: number): Promise<readonly LookupAddress[]> {
    return new Promise((resolve) => {
      const giveUp = setTimeout(() => resolve([]), limitMs);
      this.lookupName(host, { all: true }, (error, addresses) => {
        clearTimeout(giveUp);
        resolve(error ? [] : addresses);
      });
    });
  }
}

type Networks = readonly (readonly [what: string, list: BlockList])[];

const FORBIDDEN = listsOf(FORBIDDEN_NETWORKS);
const PRIVATE = listsOf(PRIVATE_NETWORKS);
const PUBLIC = new BlockList();
addCidr(PUBLIC, PUBLIC_IPV6);

function listsOf(networks: NamedNetworks): Networks {
  return networks.map(([what, ...cidrs]) => {
    const list = new BlockList();
    for (const cidr of cidrs) addCidr(list, cidr);
    return [what, list];
  });
}

function addCidr(list: BlockList, cidr: string): void {
  const [address = '', bits = ''] = cidr.trim().split('/');
  list.addSubnet(address, Number(bits), isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

function contains(list: BlockList, address: string): boolean {
  return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

function nameOf(networks: Networks, address: string): string | null {
  return networks.find(([, list]) => contains(list, address))?.[0] ?? null;
}

function foreignPort({ port }: Service): string | null {
  return FOREIGN_PORTS.has(port) || port === 0 ? `names port ${port}, where no HTTP is spoken` : null;
}

/** The IPv4 address that this IPv6 address stands for, mapped or by NAT64; null when it stands for itself. */
function embeddedIpv4(address: string): string | 'invalid' | null {
  const groups = groupsOf(address);
  const prefix = groups.slice(0, 6).join(':');
  const [high = 0, low = 0] = groups.slice(6);
  const ipv4 = `${high >> 8}.${high & 255}.${low >> 8}.${low & 255}`;
  if (prefix === MAPPED || prefix === NAT64) return ipv4;
  // "Compatible" addresses are out of use since 2006; :: and ::1 only look like them.
  if (prefix === COMPATIBLE) return high === 0 && low <= 1 ? null : 'invalid';
  return null;
}

const MAPPED = '0:0:0:0:0:65535';
const NAT64 = [0x64, 0xff9b, 0, 0, 0, 0].join(':');
const COMPATIBLE = '0:0:0:0:0:0';

/** The eight numbers of an IPv6 address. */
function groupsOf(address: string): number[] {
  // The URL parser turns a dotted tail into two groups.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1);
  const [head = [], tail = []] = canonical
    .split('::')
    .map((part) => (part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16))));
  return [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}
