import { Simulator } from '../../apps/simulator/src/simulator.js';
import type { Issued } from './admin-client.js';
import { TestGateway } from './gateway.js';

/** A gateway, the simulator as its upstream, and a key that may use it. */
export interface Scene {
  gateway: TestGateway;
  simulator: Simulator;
  issued: Issued;
  secret: string;
  stop(): Promise<void>;
}

export async function startScene(options: { models?: string[] } = {}): Promise<Scene> {
  const [gateway, simulator] = await Promise.all([TestGateway.start(), Simulator.start()]);
  const issued = await gateway.admin.issueKey({ ...options, upstreamBaseUrl: simulator.baseUrl });
  return {
    gateway,
    simulator,
    issued,
    secret: issued.secret,
    stop: async () => {
      await gateway.stop();
      await simulator.close();
    },
  };
}
