import { Worker } from 'node:worker_threads';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';

const WAITING_MAX = 20;
/** What is checked for somebody who is not there, so that the time tells nobody who is. */
const NOBODY = '$argon2id$v=19$m=19456,t=2,p=1$Bj+2fqQK2vTxJQmbzklbEQ$68tEzr9ZmivD/XXis2FFkt70GH1njP4FHjTvxLmp8CE';

/** More passwords wait to be checked than will be. */
export class TooManyPasswords extends Error {}

/** A password for the thread: to be hashed, or to be compared with what is stored. */
export interface PasswordTask {
  readonly password: string;
  readonly stored: string | null;
}

interface Job extends PasswordTask {
  readonly resolve: (result: string | boolean) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Hashes and checks passwords, one after the other, in a thread that gives way to all others: whoever tries many has to wait, and
 * calls of models do not.
 */
@Injectable()
export class PasswordHasher implements OnApplicationShutdown {
  private readonly waiting: Job[] = [];
  private running: Job | null = null;
  private startedAtMs = 0;
  private isPausing = false;
  private worker: Worker | null = null;

  /** Before anything is done for a password that would not be checked. @throws TooManyPasswords */
  requireRoom(): void {
    if (this.waiting.length >= WAITING_MAX) throw new TooManyPasswords('too many passwords wait to be checked');
  }

  /** @throws TooManyPasswords */
  async hash(password: string): Promise<string> {
    return (await this.inTurn({ password, stored: null })) as string;
  }

  /** @param stored null: there is none, and it takes as long @throws TooManyPasswords */
  async matches(stored: string | null, password: string): Promise<boolean> {
    const isMatch = await this.inTurn({ password, stored: stored ?? NOBODY });
    return isMatch === true && stored !== null;
  }

  async onApplicationShutdown(): Promise<void> {
    await this.worker?.terminate();
  }

  private inTurn(task: PasswordTask): Promise<string | boolean> {
    this.requireRoom();
    return new Promise((resolve, reject) => {
      this.waiting.push({ ...task, resolve, reject });
      this.runNext();
    });
  }

  private runNext(): void {
    if (this.running || this.isPausing) return;
    const job = this.waiting.shift();
    if (!job) return;
    this.running = job;
    this.startedAtMs = performance.now();
    this.worker ??= this.startWorker();
    const { password, stored } = job;
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origins
    this.worker.postMessage({ password, stored });
  }

  private startWorker(): Worker {
    const worker = new Worker(new URL('./password-worker.js', import.meta.url), { execArgv: [] });
    // A process that has nothing else to do may end.
    worker.unref();
    worker.on('message', (result: string | boolean) => this.onResult(result));
    worker.on('error', (error) => this.onDeath(worker, error.message));
    worker.on('exit', (code) => this.onDeath(worker, `exit ${code}`));
    return worker;
  }

  private onResult(result: string | boolean): void {
    const job = this.running;
    this.running = null;
    if (this.waiting.length > 0) {
      // As long as the check took: caches and memory are shared by all threads, whatever their priority.
      this.isPausing = true;
      setTimeout(() => this.goOn(), performance.now() - this.startedAtMs).unref();
    }
    job?.resolve(result);
  }

  private goOn(): void {
    this.isPausing = false;
    this.runNext();
  }

  private onDeath(worker: Worker, reason: string): void {
    if (worker !== this.worker) return;
    this.worker = null;
    const job = this.running;
    this.running = null;
    job?.reject(new Error(`the thread that checks passwords has ended: ${reason}`));
    this.runNext();
  }
}
