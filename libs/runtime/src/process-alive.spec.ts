import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { isProcessAlive, isProgramAlive } from './process-alive.js';

describe('processes', () => {
  it('are alive while they run, under the name of what they run', async () => {
    const child = spawn(process.execPath, ['-e', 'process.stdin.resume()'], { stdio: ['pipe', 'ignore', 'ignore'] });
    await once(child, 'spawn');
    const pid = child.pid ?? 0;
    expect([isProcessAlive(pid), isProgramAlive(pid, 'process.stdin'), isProgramAlive(pid, 'postgres')]).toEqual([
      true,
      true,
      false,
    ]);
    child.stdin.end();
    await once(child, 'exit');
    expect([isProcessAlive(pid), isProgramAlive(pid, 'process.stdin')]).toEqual([false, false]);
  });
});
