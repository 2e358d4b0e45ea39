import { connect } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { directive, type Script, Simulator } from './simulator.js';

let simulator: Simulator;

beforeAll(async () => {
  simulator = await Simulator.start();
});
afterAll(() => simulator.close());

/** Every write of the simulator is one chunk of the chunked body, so the raw chunks show the writes. */
async function rawChunks(script: Script): Promise<Buffer[]> {
  const body = JSON.stringify({ model: 'gpt-5.5', stream: true, input: directive(script) });
  const socket = connect(Number(new URL(simulator.url).port), '127.0.0.1');
  const head = `POST /v1/responses HTTP/1.1\r\nhost: sim\r\nconnection: close\r\ncontent-length: ${Buffer.byteLength(body)}`;
  socket.write(`${head}\r\n\r\n${body}`);
  const received: Buffer[] = [];
  for await (const bytes of socket) received.push(bytes as Buffer);
  const raw = Buffer.concat(received);
  return chunksOf(raw.subarray(raw.indexOf('\r\n\r\n') + 4));
}

function chunksOf(body: Buffer): Buffer[] {
  const chunks: Buffer[] = [];
  for (let at = 0; at < body.length;) {
    const lineEnd = body.indexOf('\r\n', at);
    const size = Number.parseInt(body.toString('latin1', at, lineEnd), 16);
    if (size === 0) break;
    chunks.push(body.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
  return chunks;
}

async function rawText(script: Script): Promise<string> {
  return Buffer.concat(await rawChunks(script)).toString('utf8');
}

describe('the bytes of a stream', () => {
  it('are one write per event by default, each event and data line ended by a blank line', async () => {
    const chunks = await rawChunks({ text: 'a b c' });
    expect(chunks).toHaveLength(11);
    for (const chunk of chunks) expect(chunk.toString()).toMatch(/^event: \S+\ndata: \{[^\n]*\}\n\n$/);
  });

  it('are one write when bursting, delays notwithstanding', async () => {
    const chunks = await rawChunks({ deltas: 200, chunking: 'burst', delta_delay_ms: 60_000 });
    expect(chunks).toHaveLength(1);
    expect(chunks[0]?.toString().match(/^event: /gm)).toHaveLength(208);
  });

  it.each([1, 7, 100_000])('are writes of %s bytes when scripted, whatever characters that cuts', async (size) => {
    const chunks = await rawChunks({ text: 'é 世界 🙂', chunking: size });
    expect(chunks.slice(0, -1).every((chunk) => chunk.length === size)).toBe(true);
    const text = Buffer.concat(chunks).toString('utf8');
    expect(text).toContain('"delta":" 世界"');
    expect(text.endsWith('}\n\n')).toBe(true);
  });

  it('do not depend on the chunking', async () => {
    const shapes: Script['chunking'][] = ['event', 'burst', 3];
    const texts = await Promise.all(
      shapes.map((chunking) => rawText({ text: 'same', usage: null, ...(chunking === undefined ? {} : { chunking }) })),
    );
    const plain = texts.map((text) =>
      text.replaceAll(/(resp|msg)_[0-9a-f]{50}/g, '$1').replaceAll(/"(created|completed)_at":\d+/g, '"$1"'),
    );
    expect(plain).toEqual(plain.map(() => plain[0]));
  });

  it('are what the exchange says was sent', async () => {
    const next = simulator.nextExchange();
    const chunks = await rawChunks({ text: 'a b', chunking: 5 });
    const exchange = await next;
    expect(exchange.sentBytes.equals(Buffer.concat(chunks))).toBe(true);
    expect(exchange.eventsSent).toBe(10);
  });

  it('have CRLF line ends when scripted', async () => {
    const text = await rawText({ text: 'a', line_ending: 'crlf', comments: true, done_marker: true });
    expect(text.replaceAll('\r\n', '')).not.toMatch(/[\r\n]/);
    expect(text.endsWith('data: [DONE]\r\n\r\n')).toBe(true);
  });

  it('have no [DONE] by default, and one after the terminal event when scripted', async () => {
    expect(await rawText({ text: 'a' })).not.toContain('[DONE]');
    expect(await rawText({ text: 'a', done_marker: true })).toMatch(/response\.completed.*\}\n\ndata: \[DONE\]\n\n$/);
  });

  it('leave out event lines, or the last blank line, when scripted', async () => {
    expect(await rawText({ text: 'a', event_lines: false })).not.toMatch(/^event:/m);
    expect(await rawText({ text: 'a', final_blank_line: false })).toMatch(/[^\n]\n$/);
  });

  it('have comments without numbers, and keepalives that consume one', async () => {
    const text = await rawText({ deltas: 12, comments: true, keepalive: true, unknown_events: true });
    expect(text).toContain(': ping\n\n');
    const numbers = [...text.matchAll(/"sequence_number":(\d+)/g)].map((match) => Number(match[1]));
    expect(numbers).toEqual(numbers.map((_, index) => index));
    expect(text).toContain('event: keepalive\ndata: {"type":"keepalive","sequence_number":');
    expect(text).toContain('event: acme:trace\n');
  });

  it('hold one delta of the scripted size', async () => {
    const text = await rawText({ big_event_bytes: 300_000 });
    expect(text).toContain(`"delta":"${'x'.repeat(300_000)}"`);
    expect(text.match(/event: response\.output_text\.delta/g)).toHaveLength(1);
  });

  it('are gzipped, event by event, when scripted', async () => {
    const chunks = await rawChunks({ text: 'a b', gzip: true });
    expect(chunks.length).toBeGreaterThan(9);
    expect(gunzipSync(Buffer.concat(chunks)).toString()).toMatch(/event: response\.completed\n.*\n\n$/);
  });

  it('pause after each text delta when a delay is scripted', async () => {
    const chunks = await rawChunks({ text: 'a b', delta_delay_ms: 1 });
    expect(chunks).toHaveLength(10);
  });
});
