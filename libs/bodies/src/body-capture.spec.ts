import { createServer, get, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { once } from 'node:events';
import { Clock } from '@app/runtime';
import { BYTES_BEYOND_CUT, BodyCapture, captureWrites } from './body-capture.js';
import { BodyMemory } from './body-memory.js';

const REDACTION = { patterns: [], jsonPaths: [] };

function capture(memory: BodyMemory, bytesMax: number): BodyCapture {
  const policy = { capture: 'always' as const, share: 1, bytesMax, retentionDays: null };
  return new BodyCapture(policy, REDACTION, performance.now(), memory, new Clock());
}

describe('BodyCapture', () => {
  it('holds the very pieces that passed, with their times, and counts all of them', () => {
    const one = capture(new BodyMemory(1e6), 1_000);
    const piece = Buffer.from('piece');
    one.add(piece);
    one.add(Buffer.alloc(0));
    one.add(Buffer.alloc(5_000));
    expect(one.pieces[0]).toBe(piece);
    expect(one.pieces).toHaveLength(2);
    expect(one.atMs).toHaveLength(2);
    expect(one.heldBytes).toBe(1_000 + BYTES_BEYOND_CUT);
    expect(one.bytes).toBe(5_005);
  });

  it('gives all of it up when there is no memory, and gives back what it took', () => {
    const memory = new BodyMemory(10_000);
    const [one, other] = [capture(memory, 1e6), capture(memory, 1e6)];
    one.add(Buffer.alloc(6_000));
    other.add(Buffer.alloc(6_000));
    expect([one.isGivenUp, other.isGivenUp]).toEqual([false, true]);
    expect(other.pieces).toEqual([]);
    one.release();
    one.release();
    expect(memory.held).toBe(0);
    other.add(Buffer.alloc(1));
    expect(memory.held).toBe(0);
  });
});

describe('captureWrites', () => {
  it('sees whatever is written, in any form, and changes nothing of it', async () => {
    const one = capture(new BodyMemory(1e6), 1_000);
    const answer = (response: ServerResponse): void => {
      captureWrites(response, one);
      response.write('text ');
      response.write('ff', 'latin1', () => undefined);
      response.write(Buffer.from(' bytes '));
      response.end(new Uint8Array([0x65, 0x6e, 0x64]), () => undefined);
    };
    const server = createServer((_, response) => answer(response)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const [response] = await once(get({ port: (server.address() as AddressInfo).port }), 'response');
    let text = '';
    for await (const chunk of response) text += String(chunk);
    server.close();
    expect(text).toBe('text ff bytes end');
    expect(Buffer.concat(one.pieces).toString()).toBe(text);
  });
});
