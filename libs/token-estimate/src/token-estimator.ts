import { setImmediate as nextTurn } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import type { OnApplicationShutdown } from '@nestjs/common';

const JOBS_MAX = 32;
const WAITING_BYTES_MAX = 128 * 1024 * 1024;
/** How much of a body is copied in one turn of the event loop: some milliseconds. */
const COPIED_BYTES_PER_TURN = 2 * 1024 * 1024;
const JOB_TIMEOUT_MS = 10_000;
/** An idle thread is let go of: the tokenizer's tables take some 65 MB, nearly as much as the gateway without them. */
const IDLE_MS = 60_000;
/** The thread's own heap: a body that needs more ends the thread, and not the gateway. */
const HEAP_MB_MAX = 768;

/** Why there is no estimate: too many are wanted, one takes too long, or the thread was ended. */
export class EstimateUnavailableError extends Error {}

export interface TokenEstimatorOptions {
  /** The thread's script. */
  worker?: URL;
  jobTimeoutMs?: number;
  jobsMax?: number;
  idleMs?: number;
  heapMbMax?: number;
}

interface Job {
  body: Buffer;
  resolve: (tokens: number) => void;
  reject: (error: Error) => void;
}

/**
 * Estimates the input tokens of requests in a thread of its own: counting takes seconds for large bodies, and the event loop
 * none of them. The thread starts with the first job, ends when it has been idle, and is replaced when it dies; jobs run one
 * after the other.
 */
export class TokenEstimator implements OnApplicationShutdown {
  private readonly waiting: Job[] = [];
  private waitingBytes = 0;
  private running: Job | null = null;
  private worker: Worker | null = null;
  private timer: NodeJS.Timeout | null = null;
  private isClosed = false;

  constructor(private readonly options: TokenEstimatorOptions = {}) {}

  /**
   * About how many input tokens the body of a call is; any body has an estimate.
   *
   * @throws EstimateUnavailableError
   */
  estimate(body: Buffer): Promise<number> {
    return new Promise((resolve, reject) => {
      const isFull =
        this.waiting.length >= (this.options.jobsMax ?? JOBS_MAX) ||
        (this.waiting.length > 0 && this.waitingBytes + body.length > WAITING_BYTES_MAX);
      if (this.isClosed || isFull) {
        return reject(new EstimateUnavailableError(this.isClosed ? 'shutting down' : 'too many estimates are waiting'));
      }
      this.waiting.push({ body, resolve, reject });
      this.waitingBytes += body.length;
      this.runNext();
    });
  }

  async onApplicationShutdown(): Promise<void> {
    this.isClosed = true;
    const error = new EstimateUnavailableError('shutting down');
    for (const job of this.waiting.splice(0)) job.reject(error);
    await this.endWorker(error);
  }

  private runNext(): void {
    if (this.running) return;
    const job = this.waiting.shift();
    if (!job) return this.startTimer(this.options.idleMs ?? IDLE_MS, 'idle');
    this.waitingBytes -= job.body.length;
    this.running = job;
    this.worker ??= this.startWorker();
    this.startTimer(this.options.jobTimeoutMs ?? JOB_TIMEOUT_MS, 'the estimate took too long');
    void this.hand(job, this.worker);
  }

  private async hand(job: Job, worker: Worker): Promise<void> {
    const copy = await copyOf(job.body);
    if (this.running === job && this.worker === worker) worker.postMessage(copy, [copy]);
  }

  private startWorker(): Worker {
    const script = this.options.worker ?? new URL('./token-worker.js', import.meta.url);
    const resourceLimits = { maxOldGenerationSizeMb: this.options.heapMbMax ?? HEAP_MB_MAX };
    const worker = new Worker(script, { resourceLimits, execArgv: [] });
    // A process that has nothing else to do may end.
    worker.unref();
    worker.on('message', (tokens: number) => this.onTokens(worker, tokens));
    worker.on('error', (error) => void this.onDeath(worker, error.message));
    worker.on('exit', (code) => void this.onDeath(worker, `exit ${code}`));
    return worker;
  }

  private onTokens(worker: Worker, tokens: number): void {
    if (worker !== this.worker) return;
    const job = this.running;
    this.running = null;
    job?.resolve(tokens);
    this.runNext();
  }

  private onDeath(worker: Worker, reason: string): void {
    if (worker !== this.worker) return;
    void this.endWorker(new EstimateUnavailableError(`the thread that estimates died: ${reason}`));
    if (!this.isClosed) this.runNext();
  }

  /** The one timer there is: of the running job, or of idleness. */
  private startTimer(afterMs: number, reason: string): void {
    if (this.timer) clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      void this.endWorker(new EstimateUnavailableError(reason));
      if (this.waiting.length > 0) this.runNext();
    }, afterMs).unref();
  }

  private async endWorker(error: Error): Promise<void> {
    if (this.timer) clearTimeout(this.timer);
    this.timer = null;
    const { worker, running } = this;
    this.worker = null;
    this.running = null;
    running?.reject(error);
    await worker?.terminate();
  }
}

/**
 * A copy that a thread can own. The body itself cannot be given away: an upstream may still be getting it, and small buffers
 * share their memory with others.
 */
async function copyOf(body: Buffer): Promise<ArrayBuffer> {
  const copy = new ArrayBuffer(body.length);
  for (let at = 0; at < body.length; at += COPIED_BYTES_PER_TURN) {
    if (at > 0) await nextTurn();
    body.copy(new Uint8Array(copy), at, at, at + COPIED_BYTES_PER_TURN);
  }
  return copy;
}
