import { isIP } from 'node:net';
import { normalizeIp } from '@nestjs/throttler';

/** A connection that is closed already has no address any more. */
const UNKNOWN = 'unknown';

/**
 * By what a client's requests are counted together: its IPv4 address, also where that comes inside an IPv6 one, or the /64 of its
 * IPv6 address, of which one client has as many as it likes. What is no address counts as one client.
 */
export function trackerOf(address: string | undefined): string {
  // A zone says through which of this machine's interfaces, not who.
  const [plain = ''] = (address ?? '').split('%', 1);
  return isIP(plain) === 0 ? UNKNOWN : normalizeIp(plain, 64);
}
