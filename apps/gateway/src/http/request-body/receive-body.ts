import type { Readable, Transform } from 'node:stream';
import { errors, type GatewayError } from '@app/protocol';
import { bodyDecoder, type ContentEncoding } from './content-encoding.js';

/** What a body may cost. */
export interface BodyLimits {
  /** As it came, and decoded. */
  bytesMax: number;
  /** A compressed body may unpack to this many times its size … */
  ratioMax: number;
  /** … or to this many bytes, if that is more. */
  ratioFreeBytes: number;
  /** A body that is not complete after this time has to have come at this pace. */
  paceFromMs: number;
  bytesPerSecondMin: number;
}

export interface ReceivedBody {
  /** Decoded. */
  body: Buffer;
  /** As it came. */
  wireBytes: number;
}

/**
 * Receives a body whole. A body that is refused, too large or not what its encoding says, is refused at once and holds no
 * memory, while the rest of it is read and dropped, so that its sender gets to see the answer.
 */
export function receiveBody(
  payload: Readable,
  encoding: ContentEncoding | null,
  limits: BodyLimits,
): Promise<ReceivedBody> {
  return new Promise((resolve, reject) => new BodyReceipt(payload, encoding, limits, resolve, reject));
}

class BodyReceipt {
  private readonly startedAtMs = performance.now();
  private pace: NodeJS.Timeout;
  private wireBytes = 0;
  private bodyBytes = 0;
  private chunks: Buffer[] = [];
  private decoder: Transform | null = null;
  private isDecoded = false;
  private isComplete = false;
  private isSettled = false;

  constructor(
    private readonly payload: Readable,
    private readonly encoding: ContentEncoding | null,
    private readonly limits: BodyLimits,
    private readonly resolve: (received: ReceivedBody) => void,
    private readonly reject: (error: Error) => void,
  ) {
    this.pace = setTimeout(this.checkPace, limits.paceFromMs);
    payload.on('data', this.onData).on('end', this.onEnd).on('error', this.onGone).on('close', this.onGone);
  }

  private readonly onData = (chunk: Buffer): void => {
    if (this.isSettled) return;
    this.wireBytes += chunk.length;
    if (this.wireBytes > this.limits.bytesMax) return this.refuse(errors.requestTooLarge(this.limits.bytesMax));
    if (this.encoding === null) return void this.chunks.push(chunk);
    if (this.isDecoded) return this.refuse(errors.undecodableBody(this.encoding));
    this.decoder ??= this.startDecoder(this.encoding, chunk);
    if (!this.decoder.write(chunk)) this.payload.pause();
  };

  private readonly onEnd = (): void => {
    if (this.isSettled) return;
    this.isComplete = true;
    clearTimeout(this.pace);
    if (this.encoding === null || this.wireBytes === 0) return this.finish();
    if (this.isDecoded) this.finishDecoded();
    else this.decoder?.end();
  };

  private readonly onGone = (error?: Error): void => {
    if (!this.isComplete) this.fail(error ?? new Error('the client left before the end of its body'));
  };

  private startDecoder(encoding: ContentEncoding, firstBytes: Buffer): Transform {
    return bodyDecoder(encoding, firstBytes)
      .on('data', this.onDecoded)
      .on('drain', () => this.payload.resume())
      .on('error', (cause: Error) => this.refuse(errors.undecodableBody(encoding, cause)))
      .on('end', () => {
        this.isDecoded = true;
        if (this.isComplete) this.finishDecoded();
        // Whatever comes now is too much, and has to be seen.
        else this.payload.resume();
      });
  }

  private readonly onDecoded = (chunk: Buffer): void => {
    if (this.isSettled) return;
    const { bytesMax, ratioMax, ratioFreeBytes } = this.limits;
    this.bodyBytes += chunk.length;
    this.chunks.push(chunk);
    if (this.bodyBytes > bytesMax) this.refuse(errors.requestTooLarge(bytesMax));
    else if (this.bodyBytes > ratioFreeBytes && this.bodyBytes > this.wireBytes * ratioMax) {
      this.refuse(errors.bodyUnpacksTooFar(ratioMax));
    }
  };

  /** zlib ends silently where its format ends, whatever follows. */
  private finishDecoded(): void {
    const { bytesWritten } = this.decoder as Transform & { bytesWritten?: number };
    if (this.encoding !== null && bytesWritten !== undefined && bytesWritten !== this.wireBytes) {
      return this.refuse(errors.undecodableBody(this.encoding));
    }
    this.finish();
  }

  private finish(): void {
    if (this.isSettled) return;
    this.isSettled = true;
    // Always a copy: a chunk is a view of what the socket has read, and would keep all of that.
    this.resolve({ body: Buffer.concat(this.chunks), wireBytes: this.wireBytes });
  }

  private readonly checkPace = (): void => {
    const seconds = (performance.now() - this.startedAtMs) / 1000;
    if (this.wireBytes < seconds * this.limits.bytesPerSecondMin) return this.refuse(errors.requestTimeout());
    this.pace = setTimeout(this.checkPace, this.limits.paceFromMs);
  };

  private refuse(error: GatewayError): void {
    this.fail(error);
    this.payload.resume();
  }

  private fail(error: Error): void {
    if (this.isSettled) return;
    this.isSettled = true;
    clearTimeout(this.pace);
    this.chunks = [];
    this.decoder?.destroy();
    this.reject(error);
  }
}
