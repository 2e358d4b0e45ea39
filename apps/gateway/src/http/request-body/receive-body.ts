import type { Readable, Transform } from 'node:stream';
import { errors, type GatewayError } from '@app/protocol';
import { bodyDecoder, type ContentEncoding } from './content-encoding.js';
import { GatheredBytes } from './gathered-bytes.js';

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

/** What is known of a body before it comes. */
export interface ExpectedBody {
  readonly encoding: ContentEncoding | null;
  /** How many bytes are to come, encoded; 0 when that is not known. */
  readonly wireBytes: number;
  /** Whether it may be put into pooled memory, which the caller then holds. */
  readonly isPooled: boolean;
}

/**
 * Receives a body whole. A body that is refused, too large or not what its encoding says, is refused at once and holds no
 * memory, while the rest of it is read and dropped, so that its sender gets to see the answer.
 */
export function receiveBody(payload: Readable, expected: ExpectedBody, limits: BodyLimits): Promise<ReceivedBody> {
  return new Promise((resolve, reject) => new BodyReceipt(payload, expected, limits, resolve, reject));
}

class BodyReceipt {
  private readonly encoding: ContentEncoding | null;
  private readonly gathered: GatheredBytes;
  private readonly startedAtMs = performance.now();
  private pace: NodeJS.Timeout;
  private wireBytes = 0;
  private decoder: Transform | null = null;
  private isDecoded = false;
  private isComplete = false;
  private isSettled = false;

  constructor(
    private readonly payload: Readable,
    { encoding, wireBytes, isPooled }: ExpectedBody,
    private readonly limits: BodyLimits,
    private readonly resolve: (received: ReceivedBody) => void,
    private readonly reject: (error: Error) => void,
  ) {
    this.encoding = encoding;
    this.gathered = new GatheredBytes(encoding === null ? wireBytes : 0, isPooled);
    this.pace = this.checkPaceLater();
    // Not `onData = () => …` in the class: V8 makes a function that is assigned to a property old from birth, and with it
    // everything that it reaches, the whole body, until the next full collection.
    payload
      .on('data', (chunk: Buffer) => this.onData(chunk))
      .on('end', () => this.onEnd())
      .on('error', (error: Error) => this.onGone(error))
      .on('close', () => this.onGone());
  }

  private onData(chunk: Buffer): void {
    if (this.isSettled) return;
    this.wireBytes += chunk.length;
    if (this.wireBytes > this.limits.bytesMax) return this.refuse(errors.requestTooLarge(this.limits.bytesMax));
    if (this.encoding === null) return this.gathered.add(chunk);
    if (this.isDecoded) return this.refuse(errors.undecodableBody(this.encoding));
    this.decoder ??= this.startDecoder(this.encoding, chunk);
    if (!this.decoder.write(chunk)) this.payload.pause();
  }

  private onEnd(): void {
    if (this.isSettled) return;
    this.isComplete = true;
    clearTimeout(this.pace);
    if (this.encoding === null || this.wireBytes === 0) return this.finish();
    if (this.isDecoded) this.finishDecoded();
    else this.decoder?.end();
  }

  private onGone(error?: Error): void {
    if (!this.isComplete) this.fail(error ?? new Error('the client left before the end of its body'));
  }

  private startDecoder(encoding: ContentEncoding, firstBytes: Buffer): Transform {
    return bodyDecoder(encoding, firstBytes)
      .on('data', (chunk: Buffer) => this.onDecoded(chunk))
      .on('drain', () => this.payload.resume())
      .on('error', (cause: Error) => this.refuse(errors.undecodableBody(encoding, cause)))
      .on('end', () => {
        this.isDecoded = true;
        if (this.isComplete) this.finishDecoded();
        // Whatever comes now is too much, and has to be seen.
        else this.payload.resume();
      });
  }

  private onDecoded(chunk: Buffer): void {
    if (this.isSettled) return;
    const { bytesMax, ratioMax, ratioFreeBytes } = this.limits;
    const bodyBytes = this.gathered.length + chunk.length;
    if (bodyBytes > bytesMax) return this.refuse(errors.requestTooLarge(bytesMax));
    this.gathered.add(chunk);
    if (bodyBytes > ratioFreeBytes && bodyBytes > this.wireBytes * ratioMax) {
      this.refuse(errors.bodyUnpacksTooFar(ratioMax));
    }
  }

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
    this.resolve({ body: this.gathered.take(), wireBytes: this.wireBytes });
  }

  private checkPaceLater(): NodeJS.Timeout {
    return setTimeout(() => this.checkPace(), this.limits.paceFromMs);
  }

  private checkPace(): void {
    const seconds = (performance.now() - this.startedAtMs) / 1000;
    if (this.wireBytes < seconds * this.limits.bytesPerSecondMin) return this.refuse(errors.requestTimeout());
    this.pace = this.checkPaceLater();
  }

  private refuse(error: GatewayError): void {
    this.fail(error);
    this.payload.resume();
  }

  private fail(error: Error): void {
    if (this.isSettled) return;
    this.isSettled = true;
    clearTimeout(this.pace);
    this.gathered.drop();
    this.decoder?.destroy();
    this.reject(error);
  }
}
