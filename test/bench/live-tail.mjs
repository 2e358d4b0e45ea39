// How long after the end of a request its event is at the readers of the live tail, and what readers cost the gateway:
// `node test/bench/live-tail.mjs --tails 50 --rate 200 --seconds 20`. The figures in docs/request-log.md are from here.
import { Agent, request as httpRequest } from 'node:http';
import { loadavg } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { models, requestBody } from './messages.mjs';
import { cleanUp, cpuSeconds, rssBytes } from './processes.mjs';
import { quantile } from './statistics.mjs';
import { ADMIN_TOKEN, OWN_GATEWAY, startTargets } from './targets.mjs';

const { values } = parseArgs({
  options: {
    tails: { type: 'string', default: '50' },
    rate: { type: 'string', default: '200' },
    seconds: { type: 'string', default: '20' },
  },
});
const [tails, rate, seconds] = [Number(values.tails), Number(values.rate), Number(values.seconds)];
const TICK_MS = 10;
const LAST_EVENTS_MS = 3_000;
const MIB = 1024 * 1024;
const ID_LINE = '\nid: ';
const ID_LENGTH = 36;

const body = requestBody(models.json, false);
const agent = new Agent({ keepAlive: true, maxSockets: 256 });
/** Calls that an overloaded gateway has shed: they have their rows, too. */
let refused = 0;

try {
  const [, gateway] = await startTargets({ gateways: [OWN_GATEWAY], isLimited: false, nodeArgs: [] });
  await load(gateway, 5); // to warm up
  console.log(`${rate} requests/s, load average ${loadavg()[0].toFixed(1)}`);
  await measure('no reader', gateway, [], seconds);
  const readers = await Promise.all(Array.from({ length: tails }, () => openTail(gateway)));
  await measure(`${tails} readers`, gateway, readers, seconds);
  // The kernel holds some megabytes before anything waits in the gateway.
  await measure('one reader that never reads', gateway, [await openTail(gateway, false)], 3 * seconds);
} finally {
  agent.destroy();
  await cleanUp();
}

/** Puts load on the gateway while the readers are there, and says what it took. */
async function measure(name, gateway, readers, forSeconds) {
  const cpuBefore = cpuSeconds(gateway.pid);
  const rssBefore = rssBytes(gateway.pid);
  refused = 0;
  const ends = await load(gateway, forSeconds);
  await delay(LAST_EVENTS_MS);
  const cpuMs = ((cpuSeconds(gateway.pid) - cpuBefore) * 1000) / ends.size;
  const rss = [rssBefore, rssBytes(gateway.pid)].map((bytes) => `${Math.round(bytes / MIB)} MiB`);
  console.log(
    `\n${name}: ${ends.size} requests, ${refused} of them refused, ${cpuMs.toFixed(2)} ms CPU each, RSS ${rss.join(' → ')}`,
  );
  const delays = readers.flatMap(({ seen }) =>
    [...ends].map(([id, endedAt]) => (seen.get(id) ?? Infinity) - endedAt).filter((ms) => ms !== Infinity),
  );
  const missing = readers.reduce((sum, { seen }) => sum + [...ends.keys()].filter((id) => !seen.has(id)).length, 0);
  if (delays.length > 0) {
    const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => Math.round(quantile(delays, share)));
    console.log(
      `end → event: p50 ${p50} ms, p95 ${p95} ms, p99 ${p99} ms; ${delays.length} events, ${missing} missing`,
    );
  }
  if (readers.length > 0) console.log(`${await openTails(gateway)} of ${readers.length} readers are still connected`);
  for (const { response } of readers) response.destroy();
  await gateway.settled();
}

/** As many calls a second as told, however long they take. Resolves to when each has ended, by its id. */
async function load(gateway, forSeconds) {
  const ends = new Map();
  const calls = [];
  const startedAt = performance.now();
  while (calls.length < rate * forSeconds) {
    const due = Math.min(rate * forSeconds, Math.floor(((performance.now() - startedAt) * rate) / 1000));
    while (calls.length < due) calls.push(callOnce(gateway, ends));
    await delay(TICK_MS);
  }
  await Promise.all(calls);
  return ends;
}

function callOnce({ url, path, key }, ends) {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
    const call = httpRequest(`${url}${path}`, { method: 'POST', agent, headers }, (response) => {
      if (response.statusCode !== 200) refused++;
      response.resume();
      response.once('end', () => {
        ends.set(response.headers['x-request-id'], performance.now());
        resolve();
      });
    });
    call.once('error', reject);
    call.end(body);
  });
}

/** As the gateway sees it: a reader that does not read does not see that it was cut off. */
async function openTails({ url }) {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return /^tollgate_live_tails (\d+)$/m.exec(metrics)?.[1];
}

/** A reader of the live tail; `seen` has when each request was told, by its id. */
function openTail({ url }, reads = true) {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
    const call = httpRequest(`${url}/admin/v1/requests/live`, { agent: false, headers }, (response) => {
      const seen = new Map();
      let rest = Buffer.alloc(0);
      response.on('error', () => undefined);
      const onBytes = (chunk) => {
        const bytes = Buffer.concat([rest, chunk]);
        let at = bytes.indexOf(ID_LINE);
        for (; at !== -1 && at + ID_LINE.length + ID_LENGTH <= bytes.length; at = bytes.indexOf(ID_LINE, at + 1)) {
          const start = at + ID_LINE.length;
          seen.set(bytes.latin1Slice(start, start + ID_LENGTH), performance.now());
        }
        rest = bytes.subarray(at === -1 ? Math.max(0, bytes.length - ID_LINE.length + 1) : at);
      };
      if (reads) response.on('data', onBytes);
      resolve({ response, seen });
    });
    call.once('error', reject);
    call.end();
  });
}
