import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough, Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { GatewayError } from '@app/protocol';
import { zstdBomb, zstdStored } from '../../../../../test/support/zstd.js';
import { type ContentEncoding, contentEncodingOf } from './content-encoding.js';
import { type BodyLimits, type ReceivedBody, receiveBody } from './receive-body.js';

const MIB = 1024 * 1024;
const UNKNOWN = { encoding: null, wireBytes: 0, isPooled: false };
const LIMITS: BodyLimits = {
  bytesMax: 64 * MIB,
  ratioMax: 100,
  ratioFreeBytes: MIB,
  paceFromMs: 60_000,
  bytesPerSecondMin: 0,
};
const FIXTURES = join(__dirname, '../../../../../test/fixtures/zstd');
const request = readFileSync(join(FIXTURES, 'codex-request.body'));
const spaces = Buffer.alloc(64 * MIB, ' ');
const fastBrotli = (bytes: Buffer) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } });

const CASES: [string, ContentEncoding, Buffer, () => Buffer][] = [
  ['gzip', 'gzip', gzipSync(request), () => gzipSync(spaces)],
  ['br', 'br', brotliCompressSync(request), () => fastBrotli(spaces)],
  ['deflate', 'deflate', deflateSync(request), () => deflateSync(spaces)],
  ['deflate without its zlib header', 'deflate', deflateRawSync(request), () => deflateRawSync(spaces)],
  ['zstd', 'zstd', readFileSync(join(FIXTURES, 'codex-request.level-3.zst')), () => zstdBomb(64)],
];

/** A body that comes in pieces, as from a socket. */
function payload(bytes: Buffer, pieceBytes = 65_536): Readable {
  return Readable.from(
    (function* () {
      for (let at = 0; at < bytes.length; at += pieceBytes) yield bytes.subarray(at, at + pieceBytes);
    })(),
    { objectMode: false },
  );
}

function receive(
  bytes: Buffer,
  encoding: ContentEncoding | null,
  { pieceBytes, ...limits }: Partial<BodyLimits> & { pieceBytes?: number } = {},
): Promise<ReceivedBody> {
  const expected = { encoding, wireBytes: bytes.length, isPooled: true };
  return receiveBody(payload(bytes, pieceBytes), expected, { ...LIMITS, ...limits });
}

async function refusal(received: Promise<ReceivedBody>): Promise<{ status: number; code: string; message: string }> {
  const error: unknown = await received.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!(error instanceof GatewayError)) throw new Error(`refused with ${String(error)}`);
  return { status: error.status, code: error.code, message: error.message };
}

const DAMAGED = { status: 400, code: 'invalid_request' };
const TOO_LARGE = { status: 413, code: 'request_too_large' };

describe('receiveBody', () => {
  it('keeps a body that is not encoded as it came', async () => {
    for (const pieceBytes of [1, 100, 65_536]) {
      const { body, wireBytes } = await receive(request, null, { pieceBytes });
      expect(body.equals(request)).toBe(true);
      expect(wireBytes).toBe(request.length);
    }
    expect(await receive(Buffer.alloc(0), null)).toEqual({ body: Buffer.alloc(0), wireBytes: 0 });
  });

  it('takes as many bytes as are allowed and not one more', async () => {
    expect((await receive(request, null, { bytesMax: request.length })).body.length).toBe(request.length);
    expect(await refusal(receive(request, null, { bytesMax: request.length - 1 }))).toMatchObject(TOO_LARGE);
  });

  it('reads and drops the rest of what it refuses, so that its sender gets to see the answer', async () => {
    const source = new PassThrough();
    const received = receiveBody(source, UNKNOWN, { ...LIMITS, bytesMax: 10 });
    source.write('0123456789a');
    expect(await refusal(received)).toMatchObject(TOO_LARGE);
    source.end(spaces);
    await finished(source, { writable: false });
  });

  it('ends when the sender is gone', async () => {
    const source = new PassThrough();
    const received = receiveBody(source, UNKNOWN, LIMITS);
    source.write('{');
    source.destroy();
    await expect(received).rejects.toThrow('the client left');
  });

  it('refuses a body that comes too slowly, and waits for one that is slow enough', async () => {
    const source = new PassThrough();
    const slow = { ...LIMITS, paceFromMs: 20, bytesPerSecondMin: 1000 };
    const received = receiveBody(source, UNKNOWN, slow);
    source.write('{');
    expect(await refusal(received)).toMatchObject({ status: 408, code: 'request_timeout' });
    source.destroy();
    expect((await receive(request, null, slow)).body.length).toBe(request.length);
  });
});

describe.each(CASES)('receiveBody of %s', (_, encoding, compressed, bomb) => {
  it('decodes it, whatever pieces it comes in, and knows how much came', async () => {
    for (const pieceBytes of [1, 7, 65_536]) {
      const { body, wireBytes } = await receive(compressed, encoding, { pieceBytes });
      expect(body.equals(request)).toBe(true);
      expect(wireBytes).toBe(compressed.length);
    }
  });

  it('refuses it when it unpacks to more than a hundred times its size, before it is all there', async () => {
    const bytes = bomb();
    // zlib reaches 1000:1; brotli and zstd go far beyond.
    expect(spaces.length / bytes.length).toBeGreaterThan(900);
    const source = payload(bytes, 1000);
    const refused = await refusal(receiveBody(source, { ...UNKNOWN, encoding }, LIMITS));
    expect(refused).toMatchObject({ ...TOO_LARGE, message: expect.stringContaining('100 times') });
    await finished(source, { writable: false });
  });

  it('lets a small body unpack as far as it likes', async () => {
    const { body } = await receive(bomb(), encoding, { ratioFreeBytes: spaces.length });
    expect(body.equals(spaces)).toBe(true);
  });

  it('refuses it when it unpacks to more than a body may have', async () => {
    const refused = await refusal(receive(compressed, encoding, { bytesMax: request.length - 1 }));
    expect(refused).toMatchObject({ ...TOO_LARGE, message: expect.stringContaining('MiB') });
  });

  it('refuses it when its end is missing', async () => {
    for (const missing of [1, Math.floor(compressed.length / 2), compressed.length - 1]) {
      const cut = compressed.subarray(0, compressed.length - missing);
      expect(await refusal(receive(cut, encoding))).toMatchObject(DAMAGED);
    }
  });

  it('refuses it when something follows its end, at once or later', async () => {
    for (const tail of [' ', '\0', '{"model":"gpt-5.5"}']) {
      const longer = Buffer.concat([compressed, Buffer.from(tail)]);
      for (const pieceBytes of [1, compressed.length, longer.length]) {
        expect(await refusal(receive(longer, encoding, { pieceBytes }))).toMatchObject(DAMAGED);
      }
    }
  });

  it('refuses other bytes', async () => {
    expect(await refusal(receive(request, encoding))).toMatchObject(DAMAGED);
  });

  it('takes no bytes for no body', async () => {
    expect((await receive(Buffer.alloc(0), encoding)).body.length).toBe(0);
  });
});

describe('receiveBody of zstd', () => {
  it('takes 30 MB', async () => {
    const body = Buffer.alloc(30_000_000, '{"image":"aGVsbG8gd29ybGQ="}');
    expect((await receive(zstdStored(body), 'zstd')).body.equals(body)).toBe(true);
  });
});

describe('receiveBody of gzip', () => {
  it('takes members in a row for one body, as the format has it', async () => {
    const { body } = await receive(Buffer.concat([gzipSync('{"a":'), gzipSync('1}')]), 'gzip');
    expect(body.toString()).toBe('{"a":1}');
  });
});

describe('contentEncodingOf', () => {
  it.each([
    [undefined, null],
    ['', null],
    ['Identity', null],
    ['zstd', 'zstd'],
    [' GZIP ', 'gzip'],
    ['x-gzip', 'gzip'],
    ['br', 'br'],
    ['deflate', 'deflate'],
  ])('reads %p', (header, encoding) => {
    expect(contentEncodingOf(header)).toBe(encoding);
  });

  it.each(['gzip, gzip', 'gzip, identity', 'gzip,', 'compress', 'zstd;q=1', '__proto__'])('refuses %p', (header) => {
    expect(() => contentEncodingOf(header)).toThrow(GatewayError);
  });
});
