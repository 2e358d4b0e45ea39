import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { CheckFailed } from './expectations.js';

/** A call as a client makes it. */
export interface ClientCall {
  readonly path: string;
  readonly method?: string;
  readonly secret?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
}

/** What of a call has to be in the log. */
export interface SentCall {
  readonly requestId: string;
  readonly status: number;
}

/** An event of a stream. */
export interface StreamedEvent {
  readonly type: string;
  readonly sequence_number?: number;
  readonly response?: { readonly id: string; readonly error?: { code: string } | null; readonly output?: Item[] };
  readonly item?: Item;
}

/** An item of an input or an output. */
export type Item = Record<string, unknown> & { type: string };

/** The `error` of an answer. */
export type ErrorObject = Record<string, unknown> & { message: string; type: string; code: string | null };

/** An answer while it comes. */
export class Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  private readonly chunks: Buffer[] = [];
  private ended: 'end' | 'cut' | null = null;
  private waiters: (() => void)[] = [];

  constructor(
    private readonly request: ClientRequest,
    response: IncomingMessage,
  ) {
    this.status = response.statusCode ?? 0;
    this.headers = response.headers;
    response
      .on('data', (chunk: Buffer) => {
        this.chunks.push(chunk);
        this.wake();
      })
      .on('error', () => undefined)
      .on('close', () => {
        this.ended = response.complete ? 'end' : 'cut';
        this.wake();
      });
  }

  get requestId(): string {
    return String(this.headers['x-request-id']);
  }

  /** What has come so far. */
  get body(): Buffer {
    return Buffer.concat(this.chunks);
  }

  /** The whole answer as JSON. */
  json<T>(): T {
    try {
      return JSON.parse(this.body.toString('utf8')) as T;
    } catch {
      throw new CheckFailed(`the answer (${this.status}) is no JSON: ${this.body.subarray(0, 100).toString('utf8')}`);
    }
  }

  /** The `error` object of a refusal. */
  error(): ErrorObject {
    const { error } = this.json<{ error?: ErrorObject }>();
    if (typeof error?.message !== 'string') throw new CheckFailed(`the answer (${this.status}) has no error.message`);
    return error;
  }

  /** The events that have come so far, in order. */
  events(): StreamedEvent[] {
    return this.body
      .toString('utf8')
      .split('\n')
      .filter((line) => line.startsWith('data: {'))
      .map((line) => eventOf(line.slice('data: '.length)));
  }

  /** Resolves once the text has come; false when the answer ends before. */
  async has(text: string): Promise<boolean> {
    for (;;) {
      if (this.body.includes(text)) return true;
      if (this.ended !== null) return false;
      await this.change();
    }
  }

  /** Resolves when the answer is over. @throws CheckFailed when its connection broke */
  async whole(): Promise<this> {
    while (this.ended === null) await this.change();
    if (this.ended === 'cut')
      throw new CheckFailed(`the connection broke under the answer, after ${this.body.length} bytes`);
    return this;
  }

  /** Hangs up. */
  leave(): void {
    this.request.destroy();
  }

  private change(): Promise<void> {
    return new Promise((resolve) => this.waiters.push(resolve));
  }

  private wake(): void {
    for (const resolve of this.waiters.splice(0)) resolve();
  }
}

function eventOf(json: string): StreamedEvent {
  try {
    return JSON.parse(json) as StreamedEvent;
  } catch {
    throw new CheckFailed(`an event is no JSON: ${json.slice(0, 100)}`);
  }
}

/** Calls the gateway as clients do, each call on a connection of its own as Codex does, and remembers what was sent. */
export class GatewayClient {
  /** Every call that has got an answer. */
  readonly sent: SentCall[] = [];

  constructor(private readonly url: string) {}

  /** Sends a call; resolves at the head of its answer. @param signal ends it */
  open({ path, method = 'POST', secret, headers, body }: ClientCall, signal: AbortSignal): Promise<Answer> {
    const send = this.url.startsWith('https:') ? httpsRequest : httpRequest;
    return new Promise((resolve, reject) => {
      const request = send(`${this.url}${path}`, {
        method,
        agent: false,
        signal,
        headers: {
          ...headers,
          ...(secret === undefined ? {} : { authorization: `Bearer ${secret}` }),
          ...(body === undefined ? {} : { 'content-length': body.length }),
        },
      });
      request.once('error', (error: Error & { code?: string }) =>
        reject(new CheckFailed(`${method} ${path} got no answer (${error.code ?? error.message})`)),
      );
      request.once('response', (response) => {
        const answer = new Answer(request, response);
        this.sent.push({ requestId: answer.requestId, status: answer.status });
        request.on('error', () => undefined);
        resolve(answer);
      });
      request.end(body);
    });
  }

  /** Sends a call and reads the whole answer. */
  async call(call: ClientCall, signal: AbortSignal): Promise<Answer> {
    return (await this.open(call, signal)).whole();
  }
}
