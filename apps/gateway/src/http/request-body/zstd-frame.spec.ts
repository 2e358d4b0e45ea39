import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { ZSTD_BLOCK_BYTES_MAX, zstdFrame, zstdStored } from '../../../../../test/support/zstd.js';
import { CorruptBody } from './zstd-entropy.js';
import { ZstdFrame } from './zstd-frame.js';

const FIXTURES = join(__dirname, '../../../../../test/fixtures/zstd');
const fixture = (name: string) => readFileSync(join(FIXTURES, name));
const request = fixture('codex-request.body');
const compressedRequest = fixture('codex-request.level-3.zst');

/** null when the frame has no end. */
function decode(bytes: Buffer, pieceBytes = bytes.length): Buffer | null {
  const frame = new ZstdFrame();
  const blocks: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += pieceBytes) {
    blocks.push(...frame.decode(bytes.subarray(at, at + pieceBytes)));
  }
  return frame.isDone ? Buffer.concat(blocks) : null;
}

/** The text that `lines.level-3.zst` was made of by zstd 1.5: several blocks that refer to each other and share tables. */
function lines(): Buffer {
  const words = ['stream', 'model', 'upstream', 'gateway', 'token', 'reason', 'event'];
  let seed = 1;
  const next = (count: number) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed % count;
  };
  const text = Array.from({ length: 9000 }, (_, i) => `${i} ${words[next(7)]} ${words[next(7)]} ${next(50)}`);
  return Buffer.from(text.join('\n'));
}

/** Whether bytes are either decoded, by a block at a time, or called corrupt. */
function verdictOn(bytes: Buffer): boolean {
  try {
    for (const block of new ZstdFrame().decode(bytes)) if (block.length > ZSTD_BLOCK_BYTES_MAX) return false;
    return true;
  } catch (error) {
    return error instanceof CorruptBody;
  }
}

describe('ZstdFrame', () => {
  it.each([
    ['codex-request.level-3.zst', request],
    ['codex-request.level-19.zst', request],
    ['codex-request.with-checksum.zst', request],
    ['lines.level-3.zst', lines()],
  ])('decodes %s, in pieces of any size', (name, expected) => {
    for (const pieceBytes of [1, 7, 1000, 65_536]) {
      expect(decode(fixture(name), pieceBytes)?.equals(expected)).toBe(true);
    }
  });

  it('decodes stored and repeated bytes, and an empty frame', () => {
    const stored = Buffer.from('stored');
    expect(decode(zstdFrame([stored, { byte: 97, times: 3 }, Buffer.alloc(0), stored]))?.toString()).toBe(
      'storedaaastored',
    );
    expect(decode(zstdFrame([Buffer.alloc(0)]))).toEqual(Buffer.alloc(0));
    const large = Buffer.alloc(20_000_000, 'a large body, larger than two windows; ');
    expect(decode(zstdStored(large), 100_000)?.equals(large)).toBe(true);
  });

  it('has no end when any of its last bytes is missing', () => {
    for (let length = 0; length < compressedRequest.length; length++) {
      expect(decode(compressedRequest.subarray(0, length))).toBeNull();
    }
  });

  it.each<[string, Buffer]>([
    ['other bytes', Buffer.from('{"model":"gpt-5.5"}')],
    ['bytes after its end', Buffer.concat([compressedRequest, Buffer.from(' ')])],
    ['a second frame', Buffer.concat([compressedRequest, compressedRequest])],
    ['a window of 16 MiB', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x70, 1, 0, 0])],
    ['a dictionary', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x01, 0x58, 7, 1, 0, 0])],
    ['less content than it says', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x20, 5, 1, 0, 0])],
    ['a block of no known type', Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 7, 0, 0])],
  ])('refuses %s', (_, bytes) => {
    expect(() => decode(bytes)).toThrow(CorruptBody);
  });

  it('refuses a block of a few bytes that asks for gigabytes, at once', () => {
    // 98 000 sequences, each a match of 64 KiB, described in 18 bytes.
    const block = [0, 0xff, 0xff, 0xff, 0b01010100, 0, 0, 52, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    const header = (block.length << 3) | (2 << 1) | 1;
    const bytes = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, header & 255, header >> 8, 0, ...block]);
    const startedAt = performance.now();
    expect(() => decode(bytes)).toThrow(CorruptBody);
    expect(performance.now() - startedAt).toBeLessThan(100);
  });

  it('ends with a verdict on anything, never with another error, and never gives more than a block at a time', () => {
    const damage = fc.array(fc.tuple(fc.nat(compressedRequest.length - 1), fc.nat(255)), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(damage, (changes) => {
        const bytes = Buffer.from(compressedRequest);
        for (const [at, byte] of changes) bytes[at] = byte;
        expect(verdictOn(bytes)).toBe(true);
      }),
      { numRuns: 1000 },
    );
  });
});
