import { gzipSync } from 'node:zlib';
import type { Bench } from '../bench.js';
import type { Check } from '../check.js';
import { expectSame, expectSameBytes } from '../expectations.js';
import { CodexSession } from '../codex-session.js';
import { readTurn, readZstdBody } from '../transcript.js';

/** Magic number, descriptor and window of a frame without a content size. */
const FRAME_HEADER_BYTES = 6;

const zstd: Check = {
  name: 'zstd-body',
  promise: 'a body in zstd, as Codex sends it with a ChatGPT login, reaches the provider as the JSON that it is',
  run: async (bench) => {
    const { rest, frame_base64: frame } = readZstdBody();
    const model = `{"model":${JSON.stringify(bench.models.plain)},`;
    const body = withFirstBlock(Buffer.from(frame, 'base64'), Buffer.from(model));
    return sendEncoded(bench, { encoding: 'zstd', body, decoded: Buffer.from(model + rest) });
  },
};

const gzip: Check = {
  name: 'gzip-body',
  promise: 'the same in gzip',
  run: (bench) => {
    const decoded = new CodexSession(bench).bodyOf(readTurn('plain-turn'));
    return sendEncoded(bench, { encoding: 'gzip', body: gzipSync(decoded), decoded });
  },
};

interface EncodedBody {
  readonly encoding: string;
  readonly body: Buffer;
  readonly decoded: Buffer;
}

async function sendEncoded(bench: Bench, { encoding, body, decoded }: EncodedBody): Promise<string> {
  const session = new CodexSession(bench);
  const headers = { ...session.headersOf({ input: [] }), 'content-encoding': encoding };
  const call = { path: '/v1/responses', secret: bench.keys.main, headers, body };
  const answer = await bench.client.call(call, bench.signal);
  expectSame('the status', answer.status, 200);
  const [exchange] = session.exchanges;
  expectSameBytes('the request at the provider and the one that was sent', exchange?.body ?? Buffer.alloc(0), decoded);
  expectSame('the encoding at the provider', exchange?.headers['content-encoding'] ?? null, null);
  return `${body.length} bytes for ${decoded.length}`;
}

/** The frame with bytes before its own, in a block that is not compressed: Node 20 cannot compress, and needs not to. */
export function withFirstBlock(frame: Buffer, bytes: Buffer): Buffer {
  const header = Buffer.alloc(3);
  header.writeUIntLE(bytes.length << 3, 0, 3);
  return Buffer.concat([frame.subarray(0, FRAME_HEADER_BYTES), header, bytes, frame.subarray(FRAME_HEADER_BYTES)]);
}

/** What compressed requests promise. */
export const ENCODING_CHECKS: readonly Check[] = [zstd, gzip];
