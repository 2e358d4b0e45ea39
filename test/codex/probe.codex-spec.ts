
import { directive, Simulator } from '../../apps/simulator/src/simulator.js';
import { findCodex, runCodex } from '../support/codex.js';
import { TestGateway } from '../support/gateway.js';
import { mkdtempSync, writeFileSync } from 'node:fs';
it('probe', async () => {
  const t0 = performance.now();
  const codex = findCodex()!;
  const log: unknown[] = [codex, performance.now() - t0];
  const simulator = await Simulator.start();
  const gateway = await TestGateway.start();
  const { secret } = await gateway.admin.issueKey({ models: ['gpt-5.5'], upstreamBaseUrl: simulator.baseUrl });
  const home = mkdtempSync('/tmp/probe-');
  const run = async (args: string[], baseUrl = gateway.url + '/v1', key = secret) => {
    const t = performance.now();
    const r = await runCodex({ codex, baseUrl, key, args, home });
    log.push({ args, ms: performance.now() - t, ...r });
  };
  await run([`Say hello ${directive({ text: 'Hello from the simulator' })}`]);
  await run([`Say hello ${directive({ text: 'Hello from the simulator' })}`], gateway.url);
  await run([`Run ${directive({ shell: 'echo tollgate-$((40+2))' })}`]);
  await run(['resume', '--last', 'And again']);
  await run(['-m', 'no-such-model', 'Hi']);
  await run(['Hi'], gateway.url + '/v1', 'tg-wrong');
  log.push((await gateway.admin.get('/requests?limit=50')).body, (await gateway.admin.get('/usage')).body, simulator.ledger.totals, gateway.output());
  log.push(simulator.exchanges.map((e) => [e.method, e.path]));
  writeFileSync('/tmp/probe.json', JSON.stringify(log, null, 1));
  await gateway.stop(); await simulator.close();
}, 120000);
