import { Simulator } from '../../apps/simulator/src/simulator.js';
import type { Issued } from './admin-client.js';
import { type GatewayOptions, TestGateway } from './gateway.js';

/** A gateway, the simulator as its upstream, and a key that may use it. */
export interface Scene {
  gateway: TestGateway;
  simulator: Simulator;
  issued: Issued;
  secret: string;
  stop(): Promise<void>;
}

export async function startScene(options: { models?: string[]; gateway?: GatewayOptions } = {}): Promise<Scene> {
  const [gateway, simulator] = await Promise.all([TestGateway.start(options.gateway), Simulator.start()]);
  const models = options.models ? { models: options.models } : {};
  const issued = await gateway.admin.issueKey({ ...models, upstreamBaseUrl: simulator.baseUrl });
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
