// The scenarios: each is a round of load on one target, and the figures read off that round.
import autocannon from 'autocannon';
import { EVENTS_PER_STREAM, largeRequestBody, models, requestBody } from './messages.mjs';
import { cpuSeconds, rssBytes } from './processes.mjs';
import { median, quantile } from './statistics.mjs';
import { loadStreams } from './stream-load.mjs';

const CONNECTIONS = 32;
const LARGE_CONNECTIONS = 8;
const RSS_EVERY_MS = 100;

/**
 * In the order in which they run: memory first, while no load has grown the heaps. `ratioOf` is the figure whose ratio to
 * the bare proxy's is the result.
 */
export const scenarios = [
  { name: 'paced', title: 'SSE, an event every 20 ms', ratioOf: 'cpuMicrosPerEvent', run: runPaced },
  {
    name: 'json',
    title: `JSON, 4 KB request, ${CONNECTIONS} connections`,
    ratioOf: 'cpuMicrosPerRequest',
    run: runJson,
  },
  {
    name: 'large',
    title: 'JSON, 1 MB request, 8 connections',
    ratioOf: 'cpuMicrosPerRequest',
    run: runLarge,
  },
  {
    name: 'burst',
    title: `SSE, bursts of 200 events, ${CONNECTIONS} streams`,
    ratioOf: 'cpuMicrosPerEvent',
    run: runBurst,
  },
];

async function runJson(target, options) {
  return runRequests(target, options, requestBody(models.json, false), CONNECTIONS);
}

async function runLarge(target, options) {
  return runRequests(target, options, largeRequestBody(models.json), LARGE_CONNECTIONS);
}

async function runRequests(target, { seconds }, body, connections) {
  const load = () =>
    autocannon({
      url: target.url + target.path,
      method: 'POST',
      connections,
      duration: seconds,
      headers: {
        authorization: `Bearer ${target.key}`,
        'content-type': 'application/json',
        'user-agent': 'codex_exec/0.169.0',
        'session-id': '0199c0de-0000-7000-8000-000000000001',
      },
      body,
    });
  const { result, cpu } = await withCpu(target, load);
  if (result.errors > 0 || result.non2xx > 0 || result['2xx'] === 0) {
    throw new Error(`${target.name}: ${result['2xx']} answers, ${result.non2xx} refusals, ${result.errors} errors`);
  }
  const requests = result['2xx'];
  return {
    requests,
    requestsPerSecond: requests / result.duration,
    cpuMicrosPerRequest: (cpu * 1e6) / requests,
    latencyMsP50: result.latency.p50,
    latencyMsP99: result.latency.p99,
  };
}

async function runBurst(target, { seconds }) {
  const body = requestBody(models.burst, true);
  const { result, cpu } = await withCpu(target, () => loadStreams(target, { body, connections: CONNECTIONS, seconds }));
  return streamFigures(result, cpu);
}

/** Every connection reads whole streams of 200 events for at least `seconds`; rounds are therefore a little longer. */
async function runPaced(target, { pacedSeconds, pacedStreams }) {
  const body = requestBody(models.paced, true);
  const [delays, endDelays] = [[], []];
  const rss = [];
  const before = rssBytes(target.pid);
  const sampling = setInterval(() => rss.push(rssBytes(target.pid)), RSS_EVERY_MS);
  try {
    const { result, cpu } = await withCpu(target, () =>
      loadStreams(target, {
        body,
        connections: pacedStreams,
        seconds: pacedSeconds,
        onDelays: (found, isEnd) => {
          delays.push(...found);
          if (isEnd) endDelays.push(found.at(-1));
        },
      }),
    );
    return {
      ...streamFigures(result, cpu),
      delayMsP50: quantile(delays, 0.5),
      delayMsP99: quantile(delays, 0.99),
      endDelayMsP99: quantile(endDelays, 0.99),
      rssMegabytes: median(rss) / 2 ** 20,
      rssKilobytesPerStream: (median(rss) - before) / 1024 / pacedStreams,
    };
  } finally {
    clearInterval(sampling);
  }
}

function streamFigures({ streams, events, seconds }, cpu) {
  return {
    requests: streams,
    requestsPerSecond: streams / seconds,
    eventsPerSecond: events / seconds,
    cpuMicrosPerRequest: (cpu * 1e6) / streams,
    cpuMicrosPerEvent: (cpu * 1e6) / streams / EVENTS_PER_STREAM,
  };
}

/** Runs a load and counts the CPU time that the target spends on it, with what it does behind the answers. */
async function withCpu(target, load) {
  const before = cpuSeconds(target.pid);
  const result = await load();
  await target.settled();
  return { result, cpu: cpuSeconds(target.pid) - before };
}
