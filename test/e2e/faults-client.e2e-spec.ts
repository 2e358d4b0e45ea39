import { once } from 'node:events';
import { connect } from 'node:net';
import { directive, type Script, type Simulator } from '../../apps/simulator/src/simulator.js';
import type { Group, Upstream } from '../../libs/contract/src/index.js';
import { eventually } from '../support/eventually.js';
import type { TestGateway } from '../support/gateway.js';
import { callBody, eventsOf } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';
import { COMPLETED, CREATED, event, ScriptedUpstream, SSE } from '../support/scripted-upstream.js';
import { type FullRow, newestRow, StreamClient } from '../support/stream-client.js';

// At once; but a crowded machine may need a while for anything.
const ABORT_MS_MAX = 2_000;
const STALL_SECONDS = 1.5;
const MIB = 1024 * 1024;
/** What fits into the buffers of four sockets and two processes. */
const BUFFERED_BYTES_MAX = 24 * MIB;

let scene: Scene;
let gateway: TestGateway;
let simulator: Simulator;
let upstream: ScriptedUpstream;
/** Of a group that cancels, and of one that drains. */
let secret: string;
let drainingSecret: string;

beforeAll(async () => {
  scene = await startScene({ gateway: { env: { CLIENT_STALL_SECONDS: String(STALL_SECONDS) } } });
  ({ gateway, simulator, secret } = scene);
  upstream = await ScriptedUpstream.start();
  const { id } = await gateway.admin.create<Upstream>('/upstreams', { name: 'scripted', base_url: upstream.url });
  await gateway.admin.create('/models', { name: 'scripted', upstreams: [{ upstream_id: id }] });
  const draining = await gateway.admin.issueKey();
  await gateway.admin.patch(`/groups/${draining.group.id}`, { on_client_left: 'drain' });
  drainingSecret = draining.secret;
});
afterAll(async () => {
  await scene.stop();
  await upstream.close();
});

const bodyOf = (script: Script) => callBody(`hello ${directive(script)}`);
const rowOf = (answer: { requestId: string }) => gateway.row(answer.requestId) as Promise<FullRow>;

/** A stream that the simulator holds after so many events. */
async function openHeld(events: number, as = secret) {
  const next = simulator.nextExchange();
  const client = await StreamClient.open(gateway, bodyOf({ deltas: 20, hold_after_events: events }), { secret: as });
  const exchange = await next;
  await client.until(`"sequence_number":${events - 1}`);
  return { client, exchange };
}

/** Writes so many events of 1 MiB, as fast as they are taken. */
function flood(eventsMax: number): { written: () => number } {
  const big = Buffer.from(event('response.output_text.delta', { delta: 'x'.repeat(MIB) }));
  let count = 0;
  upstream.behave = (response) => {
    response.writeHead(200, SSE).write(CREATED);
    const more = (): void => {
      while (count < eventsMax && !response.destroyed) {
        count++;
        if (!response.write(big)) return;
      }
      if (count === eventsMax) response.end(COMPLETED);
    };
    response.on('drain', more);
    more();
  };
  return { written: () => count * big.length };
}

describe('a client that leaves, of a group that cancels', () => {
  it('closes the upstream within 250 ms; what was used is estimated', async () => {
    const { client, exchange } = await openHeld(12);
    const leftAtMs = performance.now();
    client.leave();
    await exchange.closed;
    expect((exchange.closedAtMs ?? Infinity) - leftAtMs).toBeLessThan(ABORT_MS_MAX);
    expect(exchange.closedBy).toBe('client');
    const row = await rowOf(client);
    expect(row).toMatchObject({
      outcome: 'client_left',
      status: 200,
      settlement: 'estimated',
      usage_estimated: true,
      client_left_action: 'cancelled',
      response_id: exchange.responseId,
      attempts: 1,
    });
    expect(row.input_tokens).toBeGreaterThan(0);
    expect(row.output_tokens).toBeGreaterThan(0);
  });

  it('is how groups are from the start', async () => {
    const { body } = await gateway.admin.get(`/groups/${scene.issued.group.id}`);
    expect((body as Group & { on_client_left: string }).on_client_left).toBe('cancel');
  });

  it('closes the upstream within 250 ms before its head, too', async () => {
    const next = simulator.nextExchange();
    const controller = new AbortController();
    const answer = fetch(`${gateway.url}/v1/responses`, {
      method: 'POST',
      headers: { authorization: `Bearer ${secret}` },
      body: bodyOf({ fault: { kind: 'no_headers' } }),
      signal: controller.signal,
    });
    const exchange = await next;
    const leftAtMs = performance.now();
    controller.abort();
    await expect(answer).rejects.toThrow('abort');
    await exchange.closed;
    expect((exchange.closedAtMs ?? Infinity) - leftAtMs).toBeLessThan(ABORT_MS_MAX);
    expect(await newestRow(gateway, 'status=499')).toMatchObject({
      outcome: 'client_left',
      client_left_action: 'cancelled',
      attempts: 1,
    });
  });

  it('does so for 100 clients that leave at once, and none counts against the upstream', async () => {
    const held = await Promise.all(Array.from({ length: 100 }, () => openHeldAlone()));
    const leftAtMs = performance.now();
    for (const { client } of held) client.leave();
    await Promise.all(held.map(({ exchange }) => exchange.closed));
    const waits = held.map(({ exchange }) => (exchange.closedAtMs ?? Infinity) - leftAtMs);
    expect(Math.max(...waits)).toBeLessThan(ABORT_MS_MAX);
    const { body } = await gateway.admin.get(`/upstreams/${scene.issued.upstream?.id}`);
    expect(body).toMatchObject({ state: 'healthy', circuit: 'closed' });
  });

  /** The exchange is found by the client's own answer: many are opened at once. */
  async function openHeldAlone() {
    const client = await StreamClient.open(gateway, bodyOf({ hold_after_events: 6 }), { secret });
    await client.until('"sequence_number":5');
    const id = eventsOf(client.body)[0]?.response?.id;
    const exchange = simulator.exchanges.findLast(({ responseId }) => responseId === id);
    if (!exchange) throw new Error(`no exchange for ${id}`);
    return { client, exchange };
  }
});

describe('a client that leaves, of a group that drains', () => {
  it('leaves the upstream to finish: the row has its usage, exactly', async () => {
    const { client, exchange } = await openHeld(8, drainingSecret);
    client.leave();
    await eventually('a client that has left', () => (client.ended ? true : undefined));
    expect(exchange.isClosed).toBe(false);
    simulator.release();
    await exchange.closed;
    expect(exchange.closedBy).toBe('server');
    const billed = simulator.ledger.entries.at(-1);
    expect(billed).toMatchObject({ responseId: exchange.responseId, outcome: 'completed' });
    expect(await rowOf(client)).toMatchObject({
      outcome: 'client_left',
      client_left_action: 'drained',
      usage_estimated: false,
      usage_source: 'terminal_event',
      input_tokens: billed?.inputTokens,
      output_tokens: billed?.outputTokens,
    });
  });

  it('reads on for 8 MiB at most: then the upstream is closed and the usage estimated', async () => {
    const body = callBody('hello', { model: 'scripted' });
    const { written } = flood(200);
    const nextCall = upstream.nextCall();
    const client = await StreamClient.open(gateway, body, { secret: drainingSecret, reads: false });
    await eventually('full buffers', () => (written() > 2 * MIB ? true : undefined));
    client.leave();
    await (
      await nextCall
    ).closed;
    expect(await rowOf(client)).toMatchObject({
      outcome: 'client_left',
      client_left_action: 'drain_capped',
      settlement: 'estimated',
    });
  });
});

describe('a client that is slow', () => {
  it('holds the upstream back, and gets every byte in the end', async () => {
    const { written } = flood(64);
    const body = callBody('hello', { model: 'scripted' });
    const client = await StreamClient.open(gateway, body, { secret, reads: false, keepsBytes: false });
    const stopped = await stillness(written);
    expect(stopped).toBeLessThan(BUFFERED_BYTES_MAX);
    client.read();
    expect(await client.end()).toBe('end');
    expect(client.bytes).toBe(CREATED.length + written() + COMPLETED.length);
    expect(await rowOf(client)).toMatchObject({ outcome: 'ok', output_tokens: 7, response_bytes: client.bytes });
  });

  it('is cut once it has read nothing for CLIENT_STALL_SECONDS, and the upstream is let go', async () => {
    flood(64);
    const nextCall = upstream.nextCall();
    const startedAtMs = performance.now();
    const body = callBody('hello', { model: 'scripted' });
    const client = await StreamClient.open(gateway, body, { secret, reads: false });
    const closedAtMs = await (await nextCall).closed;
    expect(closedAtMs - startedAtMs).toBeGreaterThan(STALL_SECONDS * 900);
    expect(closedAtMs - startedAtMs).toBeLessThan(STALL_SECONDS * 1_000 + 3_000);
    expect(await rowOf(client)).toMatchObject({ outcome: 'client_left', error_code: 'client_stalled', status: 200 });
    client.read();
    expect(await client.end()).toBe('cut');
  });

  it('is not cut while its upstream has nothing for it', async () => {
    const { client, exchange } = await openHeld(6);
    const heldUntilMs = performance.now() + STALL_SECONDS * 1_000 + 500;
    await eventually('the time', () => (performance.now() > heldUntilMs ? true : undefined));
    expect(exchange.isClosed).toBe(false);
    simulator.release();
    expect(await client.end()).toBe('end');
    expect(await rowOf(client)).toMatchObject({ outcome: 'ok' });
  });

  /** The value at which a count stays for a while. */
  async function stillness(count: () => number): Promise<number> {
    let last = -1;
    let sinceMs = 0;
    return eventually('an upstream that waits', () => {
      if (count() !== last) [last, sinceMs] = [count(), performance.now()];
      return last > 0 && performance.now() - sinceMs > 250 ? last : undefined;
    });
  }
});

/** A connection that gets these calls at once, one behind the other. */
function sentAtOnce(...bodies: string[]) {
  const { hostname, port } = new URL(gateway.url);
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => undefined);
  for (const body of bodies) {
    socket.write(
      `POST /v1/responses HTTP/1.1\r\nhost: ${hostname}\r\nauthorization: Bearer ${secret}\r\n` +
        `content-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
  }
  return { socket, text: () => Buffer.concat(chunks).toString('utf8') };
}

describe('a client that closes its side behind its request, and waits', () => {
  /** Everything that comes back on a socket whose own side is closed. */
  async function halfClosed(body: string): Promise<string> {
    const { socket, text } = sentAtOnce(body);
    socket.end();
    await once(socket, 'close');
    return text();
  }

  it('gets its stream to the end', async () => {
    const text = await halfClosed(bodyOf({ deltas: 5, delta_delay_ms: 100 }));
    expect(text).toContain('event: response.completed');
    const id = /x-request-id: (\S+)/i.exec(text)?.[1] ?? '';
    expect(await rowOf({ requestId: id })).toMatchObject({ outcome: 'ok', status: 200 });
  });

  it('gets its JSON, behind a 102 that asked whether it is still there', async () => {
    const text = await halfClosed(callBody(`hello ${directive({ first_delay_ms: 200 })}`, { stream: false }));
    expect(text).toMatch(/^(?:HTTP\/1\.1 102 Processing\r\n\r\n)+HTTP\/1\.1 200 OK\r\n/);
    expect(text).toContain('"status":"completed"');
  });
});

describe('a client that sends its next request before it has an answer', () => {
  async function rowsOfLeft(): Promise<number> {
    const { body } = await gateway.admin.get('/requests?outcome=client_left&limit=200');
    return (body as { data: FullRow[] }).data.length;
  }

  it('gets all answers, in order, though it closes its side behind the last request', async () => {
    const slow = bodyOf({ deltas: 10, delta_delay_ms: 60 });
    const { socket, text } = sentAtOnce(slow, callBody('hello', { stream: false }));
    socket.end();
    await once(socket, 'close');
    expect(text().match(/HTTP\/1\.1 200 OK/g)).toHaveLength(2);
    expect(text().indexOf('event: response.completed')).toBeLessThan(text().lastIndexOf('HTTP/1.1 200 OK'));
    expect(text()).toMatch(/\r\n0\r\n\r\n/);
  });

  it('has a row for each of them when it leaves', async () => {
    const held = bodyOf({ deltas: 20, hold_after_events: 6 });
    const before = simulator.exchanges.length;
    const rowsBefore = await rowsOfLeft();
    const { socket, text } = sentAtOnce(held, held);
    await eventually('both at the upstream', () => simulator.exchanges.length === before + 2 || undefined);
    await eventually('events', () => text().includes('"sequence_number":5') || undefined);
    const [first, second] = simulator.exchanges.slice(before);
    socket.destroy();
    await Promise.all([first?.closed, second?.closed]);
    await eventually('two rows more', async () => (await rowsOfLeft()) === rowsBefore + 2 || undefined);
  });
});
