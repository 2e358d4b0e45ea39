import { Worker } from 'node:worker_threads';
import type { BodyJob, SealedBody } from './body-sealing.js';

const JOB_MS_MAX = 5_000;
/** An idle thread is let go of. */
const IDLE_MS = 60_000;
/** The thread's own heap: a body that needs more ends the thread, and not the gateway. */
const HEAP_MB_MAX = 512;

/** Why a body was not sealed: its rules took too long on it, or the thread died of it. */
export class BodyNotSealed extends Error {
  constructor(
    readonly reason: 'timeout' | 'failed',
    detail: string,
  ) {
    super(detail);
  }
}

export interface BodyThreadOptions {
  /** The thread's script. */
  readonly worker?: URL;
  readonly jobMsMax?: number;
}

interface Waiting {
  readonly job: BodyJob;
  readonly resolve: (bodies: SealedBody[]) => void;
  readonly reject: (error: BodyNotSealed) => void;
}

/**
 * Seals bodies in a thread of its own, one request after the other: redaction and compression take milliseconds, and an
 * operator's pattern may take for ever. Whoever hands over jobs bounds them.
 */
export class BodyThread {
  private readonly waiting: Waiting[] = [];
  private running: Waiting | null = null;
  private worker: Worker | null = null;
  private timer: NodeJS.Timeout | null = null;

  constructor(private readonly options: BodyThreadOptions = {}) {}

  /** The job's bytes are the thread's from now on. @throws BodyNotSealed */
  seal(job: BodyJob): Promise<SealedBody[]> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ job, resolve, reject });
      this.runNext();
    });
  }

  /** Ends the thread; what waits is rejected. */
  async stop(): Promise<void> {
    const error = new BodyNotSealed('failed', 'shutting down');
    for (const { reject } of this.waiting.splice(0)) reject(error);
    await this.endWorker(error);
  }

  private runNext(): void {
    if (this.running) return;
    const next = this.waiting.shift();
    if (!next) return this.startTimer(IDLE_MS, null);
    this.running = next;
    this.worker ??= this.startWorker();
    this.startTimer(this.options.jobMsMax ?? JOB_MS_MAX, new BodyNotSealed('timeout', 'its redaction took too long'));
    const { job } = next;
    this.worker.postMessage(job, [...new Set([job.request.buffer, job.response.buffer])] as ArrayBuffer[]);
  }

  private startWorker(): Worker {
    const script = this.options.worker ?? new URL('./body-worker.js', import.meta.url);
    const worker = new Worker(script, { resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX }, execArgv: [] });
    // A process that has nothing else to do may end.
    worker.unref();
    worker.on('message', (bodies: SealedBody[]) => this.onSealed(worker, bodies));
    worker.on('error', (error) => this.onDeath(worker, error.name));
    worker.on('exit', (code) => this.onDeath(worker, `exit ${code}`));
    return worker;
  }

  private onSealed(worker: Worker, bodies: SealedBody[]): void {
    if (worker !== this.worker) return;
    const { running } = this;
    this.running = null;
    running?.resolve(bodies);
    this.runNext();
  }

  /** @param reason never the error's message, which may quote the body */
  private onDeath(worker: Worker, reason: string): void {
    if (worker !== this.worker) return;
    void this.endWorker(new BodyNotSealed('failed', `the thread died: ${reason}`));
    if (this.waiting.length > 0) this.runNext();
  }

  /** The one timer there is: of the running job, or of idleness. */
  private startTimer(afterMs: number, error: BodyNotSealed | null): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      void this.endWorker(error);
      if (this.waiting.length > 0) this.runNext();
    }, afterMs).unref();
  }

  private async endWorker(error: BodyNotSealed | null): Promise<void> {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    const { worker, running } = this;
    this.worker = null;
    this.running = null;
    if (error) running?.reject(error);
    await worker?.terminate();
  }
}
