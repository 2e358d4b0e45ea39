import { Injectable } from '@nestjs/common';
import { CompactionSeal, isSealedHere, withOpenedCompactions } from '@app/compaction';
import { type EncryptedContent, readResponseCall, type ResponseCall, sealedText } from '@app/protocol';
import { Clock } from '@app/runtime';
import { EncryptedContentOrigins } from '@app/stored-responses';

/** Opens the compactions that this gateway has sealed: no upstream ever gets to see one. */
@Injectable()
export class SealedCalls {
  constructor(
    private readonly seal: CompactionSeal,
    private readonly origins: EncryptedContentOrigins,
    private readonly clock: Clock,
  ) {}

  /**
   * The call with summaries in the place of its sealed compactions; itself, and no promise, when it has none, which is almost
   * always.
   *
   * @throws GatewayError 400, naming the position of one that does not open
   */
  opened(call: ResponseCall, groupId: string): ResponseCall | Promise<ResponseCall> {
    if (call.encryptedContents.length === 0) return call;
    const sealed = call.encryptedContents.filter((content) => isSealedHere(call, content));
    if (sealed.length === 0) return call;
    const strange = sealed.filter(({ blobStart }) => !this.seal.isOwn(sealedText(call.raw, blobStart)));
    return strange.length === 0 ? this.open(call, sealed, groupId) : this.openOwn(call, sealed, strange, groupId);
  }

  /** An upstream may be a Tollgate, too: what it has sealed is its own, and goes back to it. */
  private async openOwn(
    call: ResponseCall,
    sealed: readonly EncryptedContent[],
    strange: readonly EncryptedContent[],
    groupId: string,
  ): Promise<ResponseCall> {
    const makers = await Promise.all(strange.map(({ fingerprint }) => this.origins.find(fingerprint)));
    const ofUpstreams = new Set(strange.filter((_, index) => makers[index] !== null));
    return this.open(
      call,
      sealed.filter((content) => !ofUpstreams.has(content)),
      groupId,
    );
  }

  private open(call: ResponseCall, sealed: readonly EncryptedContent[], groupId: string): ResponseCall {
    if (sealed.length === 0) return call;
    const opening = { seal: this.seal, groupId, nowSeconds: Math.floor(this.clock.now() / 1000) };
    return readResponseCall(withOpenedCompactions(call, sealed, opening));
  }
}
