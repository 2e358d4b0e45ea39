import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isProgramAlive } from '@app/runtime';
import { StartupError } from './startup-error.js';

const LOCK_WAIT_MS = 5_000;

/** DATA_DIR, held by this process alone. Files in it are readable by their owner only. */
export class DataDir {
  private constructor(readonly path: string) {}

  /**
   * Makes the folder and locks it; waits a moment for a process that is about to leave.
   *
   * @throws StartupError when it cannot be written, or another gateway lives in it
   */
  static async open(path: string): Promise<DataDir> {
    const lock = join(path, 'gateway.pid');
    try {
      mkdirSync(path, { recursive: true });
      const deadline = Date.now() + LOCK_WAIT_MS;
      for (let holder = takeLock(lock); holder !== null; holder = takeLock(lock)) {
        if (Date.now() > deadline) {
          throw new StartupError(
            `another Tollgate (process ${holder}) is running on ${path}: stop it, or set another DATA_DIR and PORT`,
          );
        }
        await delay(100);
      }
    } catch (error) {
      if (error instanceof StartupError) throw error;
      throw new StartupError(`DATA_DIR ${path} cannot be written: ${(error as Error).message}`, { cause: error });
    }
    return new DataDir(path);
  }

  /** A secret's file; null when there is none. */
  read(name: string): string | null {
    const file = join(this.path, name);
    return existsSync(file) ? readFileSync(file, 'utf8').trim() : null;
  }

  write(name: string, secret: string): void {
    writeFileSync(join(this.path, name), `${secret}\n`, { mode: 0o600 });
  }

  close(): void {
    rmSync(join(this.path, 'gateway.pid'), { force: true });
  }
}

/** Takes the lock and returns null, or the living gateway that holds it. */
function takeLock(lock: string): number | null {
  const holder = holderOf(lock);
  if (holder !== null) return holder;
  // What a killed gateway left behind.
  rmSync(lock, { force: true });
  try {
    writeFileSync(lock, String(process.pid), { mode: 0o600, flag: 'wx' });
    return null;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return holderOf(lock);
  }
}

/** The living gateway that holds the lock; null when nobody does. */
function holderOf(lock: string): number | null {
  if (!existsSync(lock)) return null;
  const pid = Number(readFileSync(lock, 'utf8'));
  return pid && pid !== process.pid && isProgramAlive(pid, 'gateway') ? pid : null;
}
