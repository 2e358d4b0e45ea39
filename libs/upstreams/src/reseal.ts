import type { Transaction } from '@app/database';
import type { UpstreamCredentials } from './upstream-credentials.js';

/** Seals every secret of every upstream anew, under another MASTER_KEY. @throws Error when one of them does not open */
export async function resealUpstreams(
  tx: Transaction,
  from: UpstreamCredentials,
  to: UpstreamCredentials,
): Promise<void> {
  for (const { id, credentialSealed, extraHeadersSealed, httpProxySealed } of await tx.upstream.findMany()) {
    const resealed = (sealed: Uint8Array | null) => sealed && to.seal(id, from.open(id, sealed));
    await tx.upstream.update({
      where: { id },
      data: {
        credentialSealed: resealed(credentialSealed),
        extraHeadersSealed: resealed(extraHeadersSealed),
        httpProxySealed: resealed(httpProxySealed),
      },
    });
  }
}
