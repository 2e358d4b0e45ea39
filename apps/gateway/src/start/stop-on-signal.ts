import { readFileSync } from 'node:fs';
import { Logger } from '@nestjs/common';
import type { Lifecycle } from '../health/lifecycle.js';

/** How long running streams may go on after a signal. */
const DRAIN_MS = 30_000;
const PARENT_CHECK_MS = 500;

/**
 * Ends the process properly on SIGTERM and SIGINT: running streams finish, the log is flushed, the embedded database is
 * stopped. A second signal, or the end of the time for it, cuts what is left.
 */
export function stopOnSignal(lifecycle: Lifecycle, isUnderNpm: boolean, stopAll: () => Promise<void>): void {
  const logger = new Logger('Gateway');
  const stop = (reason: string) => {
    if (lifecycle.isDraining) process.exit(1);
    lifecycle.isDraining = true;
    logger.log(`stopping: ${reason}`);
    setTimeout(() => process.exit(1), DRAIN_MS).unref();
    stopAll().then(
      () => process.exit(0),
      (error) => {
        logger.error(error);
        process.exit(1);
      },
    );
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(signal));
  if (isUnderNpm) watchNpm(() => stop('npm has gone'));
}

/** Under `npm start` a killed npm would leave the gateway behind, on its port: it leaves as well. */
function watchNpm(onGone: () => void): void {
  const npm = npmPid();
  const timer = setInterval(() => {
    if (isAlive(npm)) return;
    clearInterval(timer);
    onGone();
  }, PARENT_CHECK_MS);
  timer.unref();
}

/** npm runs scripts in a shell, which stays between the two where it does not replace itself. */
function npmPid(): number {
  try {
    const [, name = '', parent = ''] =
      /^\d+ \((.*)\) \S (\d+)/.exec(readFileSync(`/proc/${process.ppid}/stat`, 'utf8')) ?? [];
    return /^(?:sh|dash|bash)$/.test(name) ? Number(parent) : process.ppid;
  } catch {
    return process.ppid; // no /proc: the shells of those systems replace themselves
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
