import type { Upstream } from '../../libs/contract/src/index.js';
import { Simulator } from '../../apps/simulator/src/simulator.js';
import { FaultProxy } from './fault-proxy.js';
import { type GatewayOptions, TestGateway } from './gateway.js';
import { type Behaviour, ScriptedUpstream } from './scripted-upstream.js';

/**
 * A gateway with two upstreams: the first, which is always preferred, answers as a test scripts it, behind a proxy that
 * spoils its connections; the second is the simulator and always well. The model `twin` is served by both, `lone` by the
 * first alone.
 */
export interface TwinScene {
  gateway: TestGateway;
  proxy: FaultProxy;
  upstream: ScriptedUpstream;
  simulator: Simulator;
  firstId: string;
  secondId: string;
  secret: string;
  /** Puts everything back to where a test starts: nothing is spoiled, and no circuit is open. */
  reset(behave?: Behaviour): Promise<void>;
  stop(): Promise<void>;
}

export async function startTwinScene(
  options: { first?: object; second?: object; gateway?: GatewayOptions } = {},
): Promise<TwinScene> {
  const [gateway, upstream, simulator] = await Promise.all([
    TestGateway.start(options.gateway),
    ScriptedUpstream.start(),
    Simulator.start({ name: 'second' }),
  ]);
  const proxy = await FaultProxy.start(upstream.url);
  const create = (fields: object) => gateway.admin.create<Upstream>('/upstreams', fields);
  const first = await create({ name: 'first', base_url: proxy.url, priority: 1, ...options.first });
  const second = await create({ name: 'second', base_url: simulator.baseUrl, priority: 2, ...options.second });
  const [onFirst, onSecond] = [{ upstream_id: first.id }, { upstream_id: second.id }];
  await gateway.admin.create('/models', { name: 'twin', upstreams: [onFirst, onSecond] });
  await gateway.admin.create('/models', { name: 'lone', upstreams: [onFirst] });
  const { secret } = await gateway.admin.issueKey();
  const usual = upstream.behave;
  return {
    gateway,
    proxy,
    upstream,
    simulator,
    firstId: first.id,
    secondId: second.id,
    secret,
    reset: async (behave = usual) => {
      upstream.behave = behave;
      proxy.plan = {};
      await proxy.reopen();
      await Promise.all([first, second].map(({ id }) => gateway.admin.post(`/upstreams/${id}/reset`)));
    },
    stop: async () => {
      await gateway.stop();
      await Promise.all([proxy.close(), upstream.close(), simulator.close()]);
    },
  };
}
