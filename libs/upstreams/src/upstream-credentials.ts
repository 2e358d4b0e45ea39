import { createHash } from 'node:crypto';
import { SecretBox } from '@app/runtime';

/** Seals and opens upstream credentials. A sealed credential opens only for the upstream that it was sealed for. */
export class UpstreamCredentials {
  private readonly box: SecretBox;

  constructor(masterKey: Buffer) {
    this.box = new SecretBox(masterKey, 'upstream-credentials');
  }

  seal(upstreamId: string, credential: string): Uint8Array<ArrayBuffer> {
    return new Uint8Array(this.box.seal(credential, belongsTo(upstreamId)));
  }

  /** @throws Error when the bytes were changed or sealed under another MASTER_KEY */
  open(upstreamId: string, sealed: Uint8Array): string {
    return this.box.open(sealed, belongsTo(upstreamId));
  }

  /** Eight hex digits by which people recognise a credential without seeing it. */
  static fingerprint(credential: string): string {
    return createHash('sha256').update(credential).digest('hex').slice(0, 8);
  }
}

function belongsTo(upstreamId: string): string {
  return `upstream:${upstreamId}`;
}
