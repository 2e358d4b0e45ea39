import { readResponseSummary, type ResponseSummary, UNREAD_RESPONSE } from '@app/protocol';
import type { Answer, AnswerContext } from './answer.js';
import { isClientMistake, refused, refusedLate, refusedWith200, unusable, wrappedRefusal } from './attempt-failures.js';

/** An answer up to this size is held until it is whole, so that one that breaks off becomes a clean error. */
const HELD_BYTES_MAX = 8 * 1024 * 1024;
/** Up to this size a copy is kept beside the stream, to read the usage from. */
const READ_BYTES_MAX = 64 * 1024 * 1024;

/** Whether a content type is JSON's, or that of a format made of it. */
export function isJsonType(contentType: string): boolean {
  return /^application\/([\w.-]+\+)?json\b/i.test(contentType);
}

/** An answer in one piece, or an upstream's refusal. */
export class JsonAnswer implements Answer {
  readonly eventCount = 0;
  private chunks: Buffer[] = [];
  private bytes = 0;
  private isStreaming = false;
  private isOver = false;

  constructor(private readonly context: AnswerContext) {}

  push(chunk: Buffer): boolean {
    if (this.isOver) return true;
    this.bytes += chunk.length;
    if (this.bytes <= READ_BYTES_MAX) this.chunks.push(chunk);
    else this.chunks = [];
    if (this.isStreaming) return this.context.client.write(chunk);
    return this.bytes <= HELD_BYTES_MAX || this.startStreaming();
  }

  end(): void {
    if (this.isOver) return;
    this.isOver = true;
    const { client, rule, status, headers } = this.context;
    const body = Buffer.concat(this.chunks);
    const summary = this.isJson ? readResponseSummary(body) : null;
    if (this.isStreaming) {
      rule.settle(summary ?? UNREAD_RESPONSE, 'response_body', body);
      return client.end();
    }
    if (status >= 300) return this.refuse(body, summary);
    if (!summary) return client.fail(unusable(status, `a ${status} answer that is not JSON (${this.contentType})`));
    if (summary.errorMessage !== null && summary.id === null) return client.fail(refusedWith200(summary, headers));
    rule.settle(summary, 'response_body', body);
    this.send(body);
  }

  breakOff(): void {
    // A body of announced length cannot be mended: the client must see that it is short.
    this.isOver = true;
    this.context.client.destroy();
  }

  keepAlive(): boolean {
    return false;
  }

  discard(): void {
    this.isOver = true;
  }

  private get contentType(): string {
    return this.context.headers['content-type'] ?? 'no content-type';
  }

  private get isJson(): boolean {
    return isJsonType(this.contentType);
  }

  private refuse(body: Buffer, summary: ResponseSummary | null): void {
    const { client, record, rule, status, headers } = this.context;
    const ours = rule.refusal(status, `the upstream answered ${status}`);
    if (ours) return client.refuse(ours);
    if (!isClientMistake(status)) return client.fail(refused(status, headers, body, this.isJson));
    record.errorCode = summary?.errorCode ?? null;
    record.errorMessage = summary?.errorMessage ?? null;
    if (client.isHeadSent) return client.fail(refusedLate(status, record.errorCode, record.errorMessage));
    record.status = status;
    record.noteEnding();
    // The upstream's own words, unless they are in no shape that a client reads.
    this.send(record.errorMessage === null ? wrappedRefusal(status, headers, body, this.isJson) : body);
  }

  private send(body: Buffer): void {
    const { client } = this.context;
    client.writeHead(['content-type', 'application/json', 'content-length', String(body.length)]);
    client.end(body);
  }

  private startStreaming(): boolean {
    const { client, status, headers } = this.context;
    if (status >= 300 || !this.isJson) {
      this.isOver = true;
      const problem = `a ${status} answer of more than ${HELD_BYTES_MAX} bytes (${this.contentType})`;
      client.fail(unusable(status, problem));
      return true;
    }
    this.isStreaming = true;
    const length = headers['content-length'];
    const type = ['content-type', 'application/json'];
    client.writeHead(typeof length === 'string' ? [...type, 'content-length', length] : type);
    return client.write(Buffer.concat(this.chunks));
  }
}
