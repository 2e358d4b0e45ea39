import type { IncomingHttpHeaders, IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';

interface SentWaiter {
  eventCount: number;
  resolve: () => void;
  reject: (reason: Error) => void;
}

/** One request and its answer: what came in, what went out, and how it ended. */
export class Exchange {
  readonly method: string;
  /** Path and query as on the request line. */
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly startedAtMs = performance.now();
  /** Resolves when the response, or its socket, was closed by whichever side; the ledger is settled by then. */
  readonly closed: Promise<void>;
  /** The request body as it came, before decoding. */
  body: Buffer = Buffer.alloc(0);
  responseId: string | null = null;
  status: number | null = null;
  eventsSent = 0;
  closedAtMs: number | null = null;
  closedBy: 'client' | 'server' | null = null;
  /** Called once at the close, before `closed` resolves. */
  onClose: (() => void) | null = null;

  private readonly sentChunks: Buffer[] = [];
  private sentWaiters: SentWaiter[] = [];
  private cutByServer = false;
  private wake: (() => void) | null = null;

  constructor(
    readonly request: IncomingMessage,
    private readonly response: ServerResponse,
    private readonly keepsBytes: boolean,
  ) {
    this.method = request.method ?? '';
    this.path = request.url ?? '';
    this.headers = request.headers;
    this.closed = new Promise((resolve) => {
      response.once('close', () => {
        this.settle();
        resolve();
      });
    });
  }

  /** The exact response body bytes sent so far (empty when the simulator does not record). */
  get sentBytes(): Buffer {
    return Buffer.concat(this.sentChunks);
  }

  /** Whether the connection of this answer is gone or the answer is finished. */
  get isClosed(): boolean {
    return this.closedAtMs !== null;
  }

  /** Resolves once so many events were written; rejects when the exchange closes before. */
  sent(eventCount: number): Promise<void> {
    if (this.eventsSent >= eventCount) return Promise.resolve();
    if (this.isClosed) return Promise.reject(this.closedTooEarly(eventCount));
    return new Promise((resolve, reject) => this.sentWaiters.push({ eventCount, resolve, reject }));
  }

  /** Records that the first `eventCount` events were written. */
  markSent(eventCount: number): void {
    this.eventsSent = eventCount;
    if (this.sentWaiters.length === 0) return;
    const reached = this.sentWaiters.filter((waiter) => waiter.eventCount <= eventCount);
    this.sentWaiters = this.sentWaiters.filter((waiter) => waiter.eventCount > eventCount);
    for (const waiter of reached) waiter.resolve();
  }

  /** Sets the status line and headers; they leave with the first bytes, or with `flushHead`. */
  sendHead(status: number, headers: OutgoingHttpHeaders): void {
    if (!this.isClosed) this.response.writeHead(status, headers);
    this.status = status;
  }

  /** Sends the head now, and resolves when the kernel has it. */
  async flushHead(): Promise<void> {
    this.response.flushHeaders();
    await this.flushed();
  }

  /** Writes body bytes; false means that the client is slow: await `drained` before the next write. */
  send(bytes: Buffer): boolean {
    if (this.isClosed || this.response.destroyed) return true;
    if (this.keepsBytes) this.sentChunks.push(bytes);
    return this.response.write(bytes);
  }

  /** Resolves when the client has read enough, or is gone. */
  drained(): Promise<void> {
    if (!this.response.writableNeedDrain) return Promise.resolve();
    return this.pause((resume) => {
      this.response.once('drain', resume);
      return () => this.response.off('drain', resume);
    });
  }

  /** Resolves when everything written so far was handed to the kernel, or the client is gone. */
  flushed(): Promise<void> {
    return this.pause((resume) => {
      this.request.socket.write('', resume);
      return () => undefined;
    });
  }

  /** Ends the answer properly. */
  end(bytes?: Buffer): void {
    if (this.isClosed) return;
    if (bytes && this.keepsBytes) this.sentChunks.push(bytes);
    this.response.end(bytes);
  }

  /** Closes the connection under the answer (FIN). */
  destroy(): void {
    this.cutByServer = true;
    this.request.socket.destroy();
  }

  /** Closes the connection under the answer the hard way (RST). */
  reset(): void {
    this.cutByServer = true;
    // resetAndDestroy() sends a FIN before the RST, which a quick client takes for a clean end. Its own flag, set
    // without its graceful half, leaves only the RST.
    Object.assign(this.request.socket, { resetAndClosing: true }).destroy();
  }

  /** Notes that the server is about to close all its sockets. */
  markCutByServer(): void {
    this.cutByServer = true;
  }

  /** Waits for what `arm` sets up, or for the close; `arm` returns how to undo itself. One pause at a time. */
  pause(arm: (resume: () => void) => () => void): Promise<void> {
    if (this.isClosed) return Promise.resolve();
    return new Promise((resolve) => {
      const resume = (): void => {
        this.wake = null;
        disarm();
        resolve();
      };
      const disarm = arm(resume);
      this.wake = resume;
    });
  }

  /** Waits so long, or until the close. */
  delay(delayMs: number): Promise<void> {
    return this.pause((resume) => {
      const timer = setTimeout(resume, delayMs);
      return () => clearTimeout(timer);
    });
  }

  /** Waits until the other side, or the simulator, closes. */
  untilClosed(): Promise<void> {
    return this.pause(() => () => undefined);
  }

  private settle(): void {
    this.closedAtMs = performance.now();
    this.closedBy = this.cutByServer || this.response.writableFinished ? 'server' : 'client';
    this.onClose?.();
    const waiters = this.sentWaiters;
    this.sentWaiters = [];
    for (const waiter of waiters) waiter.reject(this.closedTooEarly(waiter.eventCount));
    this.wake?.();
  }

  private closedTooEarly(eventCount: number): Error {
    return new Error(
      `The exchange was closed after ${this.eventsSent} events, before event ${eventCount} was written.`,
    );
  }
}
