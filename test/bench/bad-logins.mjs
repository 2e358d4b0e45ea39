// What many bad passwords take from the calls that run meanwhile: `node test/bench/bad-logins.mjs --rate 250 --attempts 200
// --seconds 10 --rounds 5`. The figures in docs/operators.md are from here. The addresses are those of the loopback network.
import { Agent, request as httpRequest } from 'node:http';
import { loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { models, requestBody } from './messages.mjs';
import { atTheEnd, checkPlatform, cleanUp, cpuSeconds, rssBytes } from './processes.mjs';
import { median, quantile } from './statistics.mjs';
import { OWN_GATEWAY, startTargets } from './targets.mjs';

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '250' },
    attempts: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '10' },
    rounds: { type: 'string', default: '5' },
    gateway: { type: 'string', default: OWN_GATEWAY },
  },
});
const [rate, attempts, seconds, rounds] = ['rate', 'attempts', 'seconds', 'rounds'].map((name) => Number(values[name]));
const TICK_MS = 5;
const MIB = 1024 * 1024;
const ADDRESSES = 4_000;
const body = requestBody(models.json, false);
let shed = 0;

/**
 * Who tries passwords: from one address on connections that are kept, from many on one for each attempt. The crowd that asks for
 * /livez only tells what so many connections take, here and at the gateway.
 */
const crowds = {
  alone: null,
  'one address': oneAddress,
  'many addresses that try none': manyConnections,
  'many addresses': manyAddresses,
};
const agents = { calls: new Agent({ keepAlive: true, maxSockets: 256 }), attempts: new Agent({ keepAlive: true }) };

checkPlatform();
try {
  for (const agent of Object.values(agents)) atTheEnd(() => agent.destroy());
  const [, gateway] = await startTargets({ gateways: [values.gateway], isLimited: false, nodeArgs: [] });
  await measure(gateway, manyAddresses); // to warm up
  console.log(
    `${rate} calls/s, ${attempts} attempts/s, ${rounds} rounds of ${seconds} s, load average ${loadavg()[0].toFixed(1)}`,
  );
  const rows = Object.fromEntries(Object.keys(crowds).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, crowd] of Object.entries(crowds)) rows[name].push(await measure(gateway, crowd));
  }
  report(rows);
} finally {
  await cleanUp();
}

/** Calls for some seconds, with somebody who tries passwords, or nobody. */
async function measure(gateway, crowd) {
  const cpuBefore = cpuSeconds(gateway.pid);
  const latencies = [];
  const answers = new Map();
  const running = [atRate(rate, () => callOnce(gateway, latencies))];
  if (crowd) {
    running.push(
      atRate(attempts, async (index) => {
        const status = await crowd(gateway, index);
        answers.set(status, (answers.get(status) ?? 0) + 1);
      }),
    );
  }
  await Promise.all(running);
  const cpu = (cpuSeconds(gateway.pid) - cpuBefore) / seconds;
  const [p50, p99] = [0.5, 0.99].map((share) => quantile(latencies, share));
  await gateway.settled();
  return { p50, p99, cpu, rss: rssBytes(gateway.pid), answers };
}

/** As many a second as told, however long they take. */
async function atRate(perSecond, once) {
  const all = [];
  const startedAt = performance.now();
  while (all.length < perSecond * seconds) {
    const due = Math.min(perSecond * seconds, Math.floor(((performance.now() - startedAt) * perSecond) / 1000));
    while (all.length < due) all.push(once(all.length));
    await delay(TICK_MS);
  }
  await Promise.all(all);
}

async function callOnce({ url, path, key }, latencies) {
  const startedAt = performance.now();
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const status = await post(`${url}${path}`, { agent: agents.calls, headers }, body);
  // An overloaded gateway sheds calls, on a machine that others use, too.
  if (status !== 200) return void shed++;
  latencies.push(performance.now() - startedAt);
}

function oneAddress({ url }, index) {
  return attempt(url, index, { agent: agents.attempts });
}

function manyAddresses({ url }, index) {
  return attempt(url, index, from(index));
}

function manyConnections({ url }, index) {
  return post(`${url}/livez`, { ...from(index), method: 'GET' });
}

function from(index) {
  const number = index % ADDRESSES;
  return { agent: false, localAddress: `127.1.${number >> 8}.${number & 255 || 1}` };
}

function attempt(url, index, options) {
  const credentials = JSON.stringify({ email: `somebody-${index}@example.com`, password: 'not the right one' });
  return post(`${url}/admin/v1/session`, { ...options, headers: { 'content-type': 'application/json' } }, credentials);
}

function post(url, options, content) {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method: 'POST', ...options }, (response) => {
      response.resume();
      response.once('end', () => resolve(response.statusCode));
    });
    request.once('error', reject);
    request.end(content);
  });
}

function report(rows) {
  console.log(`${shed} calls were shed`);
  console.log('\n| | p50 | p99 | p99, in proportion | CPU of the gateway | RSS | answers |');
  console.log('| --- | --- | --- | --- | --- | --- | --- |');
  for (const [name, measured] of Object.entries(rows)) {
    const of = (field) => median(measured.map((one) => one[field]));
    const ratio = median(measured.map(({ p99 }, round) => p99 / rows.alone[round].p99));
    const answers = summed(measured.map((one) => one.answers));
    const shown = [...answers].map(([status, count]) => `${status}: ${count}`).join(', ') || '–';
    console.log(
      `| ${name} | ${of('p50').toFixed(2)} ms | ${of('p99').toFixed(2)} ms | ${ratio.toFixed(2)} | ${Math.round(of('cpu') * 100)} % | ${Math.round(of('rss') / MIB)} MiB | ${shown} |`,
    );
  }
}

function summed(counts) {
  const sum = new Map();
  for (const [status, count] of counts.flatMap((one) => [...one])) sum.set(status, (sum.get(status) ?? 0) + count);
  return sum;
}
