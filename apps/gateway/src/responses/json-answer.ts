import { errors, readResponseSummary, type ResponseSummary, UNREAD_RESPONSE } from '@app/protocol';
import type { Answer, AnswerContext } from './answer.js';
import { isClientMistake, upstreamRefusal, wrappedRefusal } from './upstream-refusal.js';

/** An answer up to this size is held until it is whole, so that one that breaks off becomes a clean error. */
const HELD_BYTES_MAX = 8 * 1024 * 1024;
/** Up to this size a copy is kept beside the stream, to read the usage from. */
const READ_BYTES_MAX = 64 * 1024 * 1024;

/** An answer in one piece, or an upstream's refusal. */
export class JsonAnswer implements Answer {
  private chunks: Buffer[] = [];
  private bytes = 0;
  private isStreaming = false;

  constructor(private readonly context: AnswerContext) {}

  push(chunk: Buffer): boolean {
    this.bytes += chunk.length;
    if (this.bytes <= READ_BYTES_MAX) this.chunks.push(chunk);
    else this.chunks = [];
    if (this.isStreaming) return this.context.client.write(chunk);
    return this.bytes <= HELD_BYTES_MAX || this.startStreaming();
  }

  end(): void {
    const { client, record, price, status } = this.context;
    const body = Buffer.concat(this.chunks);
    if (this.isStreaming) {
      record.settle(readResponseSummary(body) ?? UNREAD_RESPONSE, 'response_body', price);
      return client.end();
    }
    const summary = this.isJson ? readResponseSummary(body) : null;
    if (status >= 300) return this.refuse(body, summary);
    if (!summary) return this.failUnreadable(`a ${status} answer that is not JSON`);
    if (summary.errorMessage !== null && summary.id === null) return this.failUnreadable('a 200 that holds an error');
    record.settle(summary, 'response_body', price);
    this.send(body);
  }

  breakOff(): void {
    // A body of announced length cannot be mended: the client must see that it is short.
    this.context.client.destroy();
  }

  private get isJson(): boolean {
    return /^application\/([\w.-]+\+)?json\b/i.test(this.context.headers['content-type'] ?? '');
  }

  private refuse(body: Buffer, summary: ResponseSummary | null): void {
    const { client, record, status, headers } = this.context;
    if (isClientMistake(status)) {
      record.errorCode = summary?.errorCode ?? null;
      record.errorMessage = summary?.errorMessage ?? null;
      // The upstream's own words, unless they are in no shape that a client reads.
      return this.send(record.errorMessage === null ? wrappedRefusal(status, headers, body, this.isJson) : body);
    }
    const refusal = upstreamRefusal(status, headers, body, this.isJson);
    record.errorMessage ??= refusal.forLog;
    client.fail(refusal.error);
  }

  /** Whatever it was, the upstream may have charged for it: not known to be free. */
  private failUnreadable(problem: string): void {
    const { client, record, headers } = this.context;
    record.cut = 'upstream';
    record.errorMessage ??= `${problem} (${headers['content-type'] ?? 'no content-type'})`;
    client.fail(errors.upstreamFailed(record.errorMessage));
  }

  private send(body: Buffer): void {
    const { client } = this.context;
    client.writeHead(['content-type', 'application/json', 'content-length', String(body.length)]);
    client.end(body);
  }

  private startStreaming(): boolean {
    const { client, status, headers } = this.context;
    if (status >= 300 || !this.isJson) {
      client.fail(errors.upstreamFailed(`a ${status} answer of more than ${HELD_BYTES_MAX} bytes`));
      return true;
    }
    this.isStreaming = true;
    const length = headers['content-length'];
    const type = ['content-type', 'application/json'];
    client.writeHead(typeof length === 'string' ? [...type, 'content-length', length] : type);
    return client.write(Buffer.concat(this.chunks));
  }
}
