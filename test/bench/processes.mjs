// The measured processes: how they are started and ended, and what the kernel knows of them.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';

const START_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 15_000;
const UTIME_FIELD = 11;
const STIME_FIELD = 12;

/** What cleans up, last thing first. */
const undo = [];

/** Has `work` done when the run is over, however it ends. */
export function atTheEnd(work) {
  undo.push(work);
}

/** Ends and removes whatever was started. A failure of one does not keep the others. */
export async function cleanUp() {
  for (let work = undo.pop(); work; work = undo.pop()) {
    try {
      await work();
    } catch (error) {
      console.error(error);
    }
  }
}

/**
 * Starts a Node process that says `{ type: 'ready', url }` to its parent, with nothing in its environment but `env`.
 *
 * @returns its url and pid
 */
export async function startProcess(name, args, env = {}) {
  // `detached`: a Ctrl-C in the terminal reaches this process only, which then ends the others in order.
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    detached: true,
  });
  let isStopping = false;
  child.once('exit', (code, signal) => {
    if (!isStopping) console.error(`${name} has ended too early: ${signal ?? `exit code ${code}`}`);
  });
  atTheEnd(() => {
    isStopping = true;
    return stop(child);
  });
  const timeout = AbortSignal.timeout(START_TIMEOUT_MS);
  const [ready] = await Promise.race([
    once(child, 'message', { signal: timeout }),
    once(child, 'exit', { signal: timeout }).then(() => Promise.reject(new Error(`${name} did not start`))),
  ]);
  return { url: ready.url, pid: child.pid };
}

async function stop(child) {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const cut = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS);
  await exited;
  clearTimeout(cut);
}

/** @throws Error where there is no /proc to read from */
export function checkPlatform() {
  if (!existsSync('/proc/self/stat')) throw new Error('the benchmark reads CPU times from /proc: run it on Linux');
}

let ticksPerSecond;

/** User and system time that a process has used so far, all its threads together. */
export function cpuSeconds(pid) {
  ticksPerSecond ??= Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The second field, the command in brackets, may hold anything.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[UTIME_FIELD]) + Number(fields[STIME_FIELD])) / ticksPerSecond;
}

/** Resident memory of a process. */
export function rssBytes(pid) {
  const [, kilobytes] = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
  return Number(kilobytes) * 1024;
}
