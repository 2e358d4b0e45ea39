import { type BodyCodec, compressBody } from './body-codec.js';
import { encryptBody, placeOf } from './body-cipher.js';
import { eventFrames, isEventStream, type WrittenPieces } from './event-frames.js';
import { type RedactionRules, Redactor } from './redactor.js';

/** What was held of one request, as it was sent. */
export interface BodyJob {
  readonly requestId: string;
  readonly bytesMax: number;
  readonly rules: RedactionRules;
  /** 32 bytes */
  readonly key: Uint8Array;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** At least up to what is stored. */
  readonly request: Uint8Array;
  readonly response: Uint8Array;
  /** As they were sent, whole. */
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly pieces: WrittenPieces;
}

export type BodyKind = 'request' | 'response' | 'events';

/** What is stored of a request, or of its answer. */
export interface SealedBody {
  readonly kind: BodyKind;
  readonly codec: BodyCodec;
  readonly bytes: number;
  readonly isTruncated: boolean;
  readonly isRedacted: boolean;
  readonly content: Uint8Array;
}

/** What a sealed body holds, by its kind. */
export interface BodyContents {
  readonly request: { readonly headers: readonly (readonly [string, string])[]; readonly text: string };
  readonly response: { readonly text: string };
  readonly events: readonly { readonly atMs: number; readonly event: string | null; readonly data: string | null }[];
}

/** Redacts, cuts, compresses and encrypts: no more of a body than this leaves the process, and nothing before. */
export function sealBodies(job: BodyJob): SealedBody[] {
  const { bytesMax, rules, response, responseBytes, requestBytes } = job;
  const request = sealRequest(job, requestBytes > bytesMax);
  if (responseBytes === 0) return [request];
  const redactor = new Redactor(rules);
  const isTruncated = responseBytes > bytesMax;
  const bytes = bufferOf(response);
  if (isEventStream(response)) {
    // As with texts: first what is behind the cut, too, then the cut.
    const kept = eventFrames(bytes, job.pieces, bytesMax).length;
    const frames = redactor.events(eventFrames(bytes, job.pieces, Infinity)).slice(0, kept);
    return [request, sealed(job, 'events', frames, { bytes: responseBytes, isTruncated, redactor })];
  }
  const text = cut(redactor.document(bytes.toString('utf8')), bytesMax, isTruncated);
  return [request, sealed(job, 'response', { text }, { bytes: responseBytes, isTruncated, redactor })];
}

function sealRequest(job: BodyJob, isTruncated: boolean): SealedBody {
  const redactor = new Redactor(job.rules);
  const text = cut(redactor.document(bufferOf(job.request).toString('utf8')), job.bytesMax, isTruncated);
  const headers = job.headers.map(([name, value]) => [name, redactor.text(value)] as const);
  return sealed(job, 'request', { headers, text }, { bytes: job.requestBytes, isTruncated, redactor });
}

function sealed<Kind extends BodyKind>(
  { key, requestId }: BodyJob,
  kind: Kind,
  contents: BodyContents[Kind],
  { bytes, isTruncated, redactor }: { bytes: number; isTruncated: boolean; redactor: Redactor },
): SealedBody {
  const { codec, content } = compressBody(Buffer.from(JSON.stringify(contents)));
  return {
    kind,
    codec,
    bytes,
    isTruncated,
    isRedacted: redactor.hasRedacted,
    content: encryptBody(key, content, placeOf(requestId, kind)),
  };
}

/** Without the half of a character that a cut may leave. */
function cut(text: string, bytesMax: number, isTruncated: boolean): string {
  if (!isTruncated) return text;
  return Buffer.from(text)
    .subarray(0, bytesMax)
    .toString('utf8')
    .replace(/\uFFFD+$/, '');
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
