import { existsSync, readFileSync } from 'node:fs';

/** Whether a process lives. One that has ended counts as gone also while its parent has not been told of it (a zombie). */
export function isProcessAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // Somebody else's process is a living one.
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  return !/^State:\s+Z/m.test(readProc(pid, 'status') ?? '');
}

/** Whether a process lives and runs `program`: pids are given out again, so where /proc tells, it is asked. */
export function isProgramAlive(pid: number, program: string): boolean {
  if (!isProcessAlive(pid)) return false;
  return !existsSync('/proc/self/cmdline') || (readProc(pid, 'cmdline')?.includes(program) ?? false);
}

function readProc(pid: number, file: string): string | null {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8');
  } catch {
    return null; // no /proc on this system, or the process has ended meanwhile
  }
}
