import { constants, createGzip, type Gzip } from 'node:zlib';
import type { Exchange } from './exchange.js';

/** Where a stream's bytes go: to the client as they are, or gzipped. */
export interface BodySink {
  /** Writes; false means that `drained` has to be awaited before the next write. */
  send(bytes: Buffer): boolean;
  drained(): Promise<void>;
  /** Ends the answer properly. */
  end(): void;
}

/** A sink that gzips, and flushes after every write as a faithful compressing proxy would. */
export class GzipSink implements BodySink {
  private readonly gzip: Gzip = createGzip({ flush: constants.Z_SYNC_FLUSH });
  private written = Promise.resolve();

  constructor(private readonly exchange: Exchange) {
    this.gzip.on('data', (chunk: Buffer) => exchange.send(chunk));
    this.gzip.on('end', () => exchange.end());
  }

  send(bytes: Buffer): boolean {
    this.written = new Promise((resolve) => this.gzip.write(bytes, () => resolve()));
    return false;
  }

  async drained(): Promise<void> {
    await this.written;
    await this.exchange.drained();
  }

  end(): void {
    this.gzip.end();
  }
}
