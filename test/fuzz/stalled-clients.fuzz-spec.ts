import { setTimeout as delay } from 'node:timers/promises';
import { TestGateway } from '../support/gateway.js';
import { callBody } from '../support/responses-client.js';
import { CREATED, event, ScriptedUpstream, SSE } from '../support/scripted-upstream.js';
import { StreamClient } from '../support/stream-client.js';
import { expectWell, IS_LONG, report, rssBytes, TIME_LIMIT_MS } from './fuzz-run.js';

const MIB = 1024 * 1024;
const ANSWER_BYTES = 150 * MIB;
/** Clients that read nothing, all at once. */
const CLIENTS = IS_LONG ? 500 : 20;
/** Of a few, what the first ones bring along counts most; of many, what each holds: a read of each socket, and a write. */
const ALL_BYTES_MAX = CLIENTS * (IS_LONG ? 0.4 : 4) * MIB;

let gateway: TestGateway;
let upstream: ScriptedUpstream;
let secret: string;
const written = new Map<unknown, number>();

beforeAll(async () => {
  [gateway, upstream] = await Promise.all([TestGateway.start(), ScriptedUpstream.start()]);
  ({ secret } = await gateway.admin.issueKey({ upstreamBaseUrl: upstream.url }));
  const piece = Buffer.from(event('response.output_text.delta', { delta: 'x'.repeat(60_000) }));
  upstream.behave = (response) => {
    response.writeHead(200, SSE).write(CREATED);
    let bytes = 0;
    const more = (): void => {
      while (bytes < ANSWER_BYTES && !response.destroyed) {
        bytes += piece.length;
        written.set(response, bytes);
        if (!response.write(piece)) return;
      }
      response.end();
    };
    response.on('drain', more);
    more();
  };
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
});

const open = (reads: boolean) => StreamClient.open(gateway, callBody('hello'), { secret, reads, keepsBytes: false });

/** The gateway's memory once nothing moves any more. */
async function settledRss(): Promise<number> {
  const total = () => [...written.values()].reduce((sum, bytes) => sum + bytes, 0);
  for (let last = -1; last !== total();) {
    last = total();
    await delay(300);
  }
  return rssBytes(gateway);
}

it(
  `${CLIENTS} clients that read nothing cost the gateway next to no memory`,
  async () => {
    // Code and buffers that the first streams bring along are not counted.
    for (let round = 0; round < 3; round++) {
      const readers = await Promise.all([open(true), open(true)]);
      for (const reader of readers) {
        while (reader.bytes < 20 * MIB && !reader.ended) await delay(10);
        reader.leave();
      }
    }
    const before = await settledRss();
    const clients = await Promise.all(Array.from({ length: CLIENTS }, () => open(false)));
    const growth = (await settledRss()) - before;
    for (const client of clients) client.leave();
    report('stalled_clients', {
      clients: CLIENTS,
      answer_mib: ANSWER_BYTES / MIB,
      rss_growth_mib: Math.round(growth / MIB),
      rss_per_client_kib: Math.round(growth / CLIENTS / 1024),
    });
    expect(growth).toBeLessThan(ALL_BYTES_MAX);
    await expectWell(gateway);
  },
  TIME_LIMIT_MS,
);
