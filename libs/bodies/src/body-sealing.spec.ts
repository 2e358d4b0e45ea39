import { randomBytes } from 'node:crypto';
import { decryptBody, encryptBody, placeOf } from './body-cipher.js';
import { compressBody, decompressBody } from './body-codec.js';
import { type BodyJob, sealBodies, type SealedBody } from './body-sealing.js';

const KEY = randomBytes(32);
const REQUEST_ID = '019ac3f0-0000-7000-8000-000000000000';

function job(options: Partial<BodyJob> & { sent?: string; answer?: string }): BodyJob {
  const { sent = '', answer = '', bytesMax = 1024, ...rest } = options;
  const response = Buffer.from(answer);
  return {
    requestId: REQUEST_ID,
    bytesMax,
    rules: { patterns: [], jsonPaths: [] },
    key: KEY,
    headers: [],
    request: Buffer.from(sent),
    requestBytes: Buffer.byteLength(sent),
    response,
    responseBytes: response.length,
    pieces: { ends: [response.length], atMs: [5] },
    ...rest,
  };
}

async function read({ kind, codec, content }: SealedBody): Promise<{ text: string; headers: unknown }> {
  const bytes = await decompressBody(codec, decryptBody(KEY, content, placeOf(REQUEST_ID, kind)));
  return JSON.parse(bytes.toString()) as { text: string; headers: unknown };
}

describe('sealBodies', () => {
  it('seals a request with its headers, and an answer as what it is', async () => {
    const headers = [['x-codex-turn-metadata', '{"cwd":"/home/ada"}']] as const;
    const [request, response, ...others] = sealBodies(job({ sent: '{"a":1}', answer: '{"b":2}', headers }));
    expect(others).toEqual([]);
    expect(await read(request as SealedBody)).toEqual({ headers, text: '{"a":1}' });
    expect(response).toMatchObject({ kind: 'response', bytes: 7, isTruncated: false, isRedacted: false });
    expect(await read(response as SealedBody)).toEqual({ text: '{"b":2}' });
    const [, events] = sealBodies(job({ answer: 'event: a\ndata: 1\n\n' }));
    expect(events?.kind).toBe('events');
    expect(await read(events as SealedBody)).toEqual([{ atMs: 5, event: 'a', data: '1' }]);
  });

  it('cuts behind the last whole character, and says so', async () => {
    const text = 'ü'.repeat(20);
    const [request] = sealBodies(job({ sent: text, bytesMax: 11 }));
    expect(request).toMatchObject({ isTruncated: true, bytes: 40 });
    expect((await read(request as SealedBody)).text).toBe('ü'.repeat(5));
  });

  it('redacts before it cuts: a secret across the cut is not stored by half', async () => {
    const rules = { patterns: [/canary-[0-9a-f]{16}/g], jsonPaths: [] };
    const [request] = sealBodies(job({ sent: `${'x'.repeat(90)}canary-0123456789abcdef`, bytesMax: 100, rules }));
    expect((await read(request as SealedBody)).text).toBe(`${'x'.repeat(90)}[redacted]`);
    expect(request).toMatchObject({ isTruncated: true, isRedacted: true });
  });

  it('redacts events before it cuts, too', async () => {
    const delta = (text: string) => `data: ${JSON.stringify({ type: 'response.output_text.delta', delta: text })}\n\n`;
    const answer = delta('canary-01234567') + delta('89abcdef');
    const rules = { patterns: [/canary-[0-9a-f]{16}/g], jsonPaths: [] };
    const [, events] = sealBodies(job({ answer, bytesMax: answer.length - 5, rules }));
    const [only, ...others] = (await read(events as SealedBody)) as unknown as { data: string }[];
    expect(others).toEqual([]);
    expect(JSON.parse(only?.data ?? '')).toMatchObject({ delta: '[redacted]' });
  });

  it('redacts headers', async () => {
    const rules = { patterns: [/git@[^"]+/g], jsonPaths: ['$.a'] };
    const [request] = sealBodies(job({ sent: '{}', rules, headers: [['x-codex-a', '{"remote":"git@host:x.git"}']] }));
    expect((await read(request as SealedBody)).headers).toEqual([['x-codex-a', '{"remote":"[redacted]"}']]);
  });
});

describe('a sealed body', () => {
  it('does not open with another key, in another place, or when a bit was changed', () => {
    const sealed = encryptBody(KEY, Buffer.from('text'), 'a/request');
    expect(decryptBody(KEY, sealed, 'a/request').toString()).toBe('text');
    expect(() => decryptBody(randomBytes(32), sealed, 'a/request')).toThrow('unable to authenticate');
    expect(() => decryptBody(KEY, sealed, 'a/response')).toThrow('unable to authenticate');
    sealed[sealed.length - 1] = (sealed.at(-1) ?? 0) ^ 1;
    expect(() => decryptBody(KEY, sealed, 'a/request')).toThrow('unable to authenticate');
  });

  it('is smaller than what it was made of, and comes back whole', async () => {
    const text = Buffer.from(JSON.stringify(Array.from({ length: 500 }, (_, n) => ({ type: 'delta', n }))));
    const { codec, content } = compressBody(text);
    expect(content.length).toBeLessThan(text.length / 4);
    expect((await decompressBody(codec, content)).equals(text)).toBe(true);
  });

  it('in a codec that is not known is refused by name', async () => {
    await expect(decompressBody('lz4', Buffer.alloc(1))).rejects.toThrow('lz4');
  });
});
