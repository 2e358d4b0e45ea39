import { Logger } from '@nestjs/common';
import type { Lifecycle } from '../health/lifecycle.js';

/** How long running streams may go on after a signal. */
const DRAIN_MS = 30_000;
const PARENT_CHECK_MS = 500;

/**
 * Ends the process properly on SIGTERM and SIGINT: running streams finish, the log is flushed, the embedded database is
 * stopped. A second signal, or the end of the time for it, cuts what is left.
 */
export function stopOnSignal(lifecycle: Lifecycle, stopAll: () => Promise<void>): void {
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
  if (process.env.npm_lifecycle_event === 'start') watchParent(() => stop('npm has gone'));
}

/** Under `npm start` a killed npm would leave the gateway behind, on its port: it leaves as well. */
function watchParent(onGone: () => void): void {
  const parent = process.ppid;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    onGone();
  }, PARENT_CHECK_MS);
  timer.unref();
}
