import { Injectable } from '@nestjs/common';
import { CompactionSeal, isSealedHere, withOpenedCompactions } from '@app/compaction';
import { readResponseCall, type ResponseCall } from '@app/protocol';
import { Clock } from '@app/runtime';

/** Opens the compactions that this gateway has sealed: no upstream ever gets to see one. */
@Injectable()
export class SealedCalls {
  constructor(
    private readonly seal: CompactionSeal,
    private readonly clock: Clock,
  ) {}

  /**
   * The call with summaries in the place of its sealed compactions; itself when it has none, which is almost always.
   *
   * @throws GatewayError 400, naming the position of one that does not open
   */
  opened(call: ResponseCall, groupId: string): ResponseCall {
    if (call.encryptedContents.length === 0) return call;
    if (!call.encryptedContents.some((content) => isSealedHere(call, content))) return call;
    const nowSeconds = Math.floor(this.clock.now() / 1000);
    return readResponseCall(withOpenedCompactions(call, this.seal, groupId, nowSeconds));
  }
}
