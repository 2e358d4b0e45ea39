import { readFileSync } from 'node:fs';
import type { Server } from 'node:http';
import { Logger } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { isProcessAlive } from '@app/runtime';
import { Lifecycle } from '../health/lifecycle.js';

/** How long a load balancer gets to notice that `/readyz` fails, while requests are still served. */
const LAME_DUCK_MS = 4_000;
/** How long running answers may go on after a signal. */
const DRAIN_MS = 30_000;
/** How long the rest may take after that: the last events to the clients, the log to PostgreSQL. */
const CLOSE_MS = 12_000;
/** Clients that do not read their last event are cut after this. */
const LAST_EVENT_MS = 1_000;
const PARENT_CHECK_MS = 500;

/** What a signal ends; `app` is there once it has been built. */
export interface Stoppable {
  /** Others than this machine reach it, perhaps through a load balancer. */
  isPublic: boolean;
  app: NestFastifyApplication | null;
  stopAll(): Promise<void>;
}

/**
 * Ends the process properly on SIGTERM and SIGINT, whatever it has reached: load balancers look away, running answers
 * finish, the log is flushed, the embedded database is stopped. A second signal, or the end of the time for it, gives
 * running answers a last event; and nobody waits for load balancers any more.
 */
export function stopOnSignal(target: Stoppable, isUnderNpm: boolean): void {
  let signals = 0;
  let closeNow: (() => void) | null = null;
  const stop = (reason: string) => {
    signals++;
    if (signals === 1) closeNow = begin(target, reason);
    else if (signals === 2) {
      cutAnswers(target);
      closeNow?.();
    } else process.exit(1);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => stop(signal));
  if (isUnderNpm) watchNpm(() => stop('npm has gone'));
}

/** Returns what ends the wait for load balancers. */
function begin(target: Stoppable, reason: string): () => void {
  const logger = new Logger('Gateway');
  logger.log(`stopping: ${reason}`);
  const lifecycle = target.app?.get(Lifecycle);
  if (lifecycle) lifecycle.isDraining = true;
  const lameDuckMs = target.isPublic && lifecycle ? LAME_DUCK_MS : 0;
  setTimeout(() => cutAnswers(target), lameDuckMs + DRAIN_MS).unref();
  setTimeout(() => process.exit(1), lameDuckMs + DRAIN_MS + CLOSE_MS).unref();
  let isClosing = false;
  const close = () => {
    if (isClosing) return;
    isClosing = true;
    if (lifecycle) lifecycle.isClosing = true;
    target.stopAll().then(
      () => process.exit(0),
      (error) => {
        logger.error(error);
        process.exit(1);
      },
    );
  };
  setTimeout(close, lameDuckMs);
  return close;
}

function cutAnswers({ app }: Stoppable): void {
  if (!app) return;
  app.get(Lifecycle).shutDownAnswers();
  const server = app.getHttpServer() as Server;
  setTimeout(() => server.closeAllConnections(), LAST_EVENT_MS).unref();
}

/** Under `npm start` a killed npm would leave the gateway behind, on its port: it leaves as well. */
function watchNpm(onGone: () => void): void {
  const npm = npmPid();
  const timer = setInterval(() => {
    if (isProcessAlive(npm)) return;
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
