import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const DELTA_DELAY_MS = '15';

/** The bundled simulator in a process of its own; it ends when this process does, however that happens. */
export class SimulatorProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly baseUrl: string,
  ) {}

  static async start(): Promise<SimulatorProcess> {
    const entry = fileURLToPath(new URL('../../../simulator/src/main.js', import.meta.url));
    // `detached`: a Ctrl-C in the terminal must not end it before the gateway has finished its streams.
    const child = fork(entry, {
      env: { PATH: process.env.PATH, SIMULATOR_DELTA_DELAY_MS: DELTA_DELAY_MS },
      detached: true,
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    });
    const [ready] = (await Promise.race([
      once(child, 'message'),
      once(child, 'exit').then(([code]) => Promise.reject(new Error(`the simulator ended at once (${code})`))),
    ])) as [{ baseUrl: string }];
    // It must not keep the gateway alive, which ends it by closing the channel.
    child.unref();
    child.channel?.unref();
    return new SimulatorProcess(child, ready.baseUrl);
  }

  stop(): void {
    if (this.child.connected) this.child.disconnect();
  }
}
