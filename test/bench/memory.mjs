// Does the gateway's memory grow with what it has served? `node test/bench/memory.mjs --requests 200000`: JSON and streams in turn,
// 40 at a time, and what it takes after each tenth. The figures in docs/robustness.md are from here.
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import autocannon from 'autocannon';
import { models, requestBody } from './messages.mjs';
import { checkPlatform, cleanUp, rssBytes } from './processes.mjs';
import { OWN_GATEWAY, startTargets } from './targets.mjs';

const { values } = parseArgs({ options: { requests: { type: 'string', default: '200000' } } });
const PARTS = 10;
const CONNECTIONS = 40;
const MIB = 1024 * 1024;
const requests = Number(values.requests);

try {
  checkPlatform();
  const [, gateway] = await startTargets({ gateways: [OWN_GATEWAY], isLimited: false, nodeArgs: [] });
  console.log(`${requests} requests, load average ${loadavg()[0].toFixed(1)}`);
  for (let part = 1; part <= PARTS; part++) {
    const { non2xx, errors } = await autocannon({
      url: gateway.url + gateway.path,
      connections: CONNECTIONS,
      amount: requests / PARTS,
      method: 'POST',
      headers: { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' },
      requests: [{ body: requestBody(models.json, false) }, { body: requestBody(models.burst, true) }],
    });
    await gateway.settled();
    const rssMib = Math.round(rssBytes(gateway.pid) / MIB);
    console.log(
      `${(requests / PARTS) * part}: ${rssMib} MiB${non2xx + errors > 0 ? `, ${non2xx + errors} failed` : ''}`,
    );
  }
} finally {
  await cleanUp();
}
