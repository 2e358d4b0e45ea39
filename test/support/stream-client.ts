import { type ClientRequest, type IncomingHttpHeaders, type IncomingMessage, request as httpRequest } from 'node:http';
import type { Request } from '@app/contract';
import { eventually } from './eventually.js';
import type { TestGateway } from './gateway.js';

/** A test has failed when its client waits longer. */
const SILENCE_MS_MAX = 6_000;

/** A client that reads an answer as it comes, pauses, and leaves at will. */
export class StreamClient {
  bytes = 0;
  /** When the newest bytes arrived, by `performance.now()`. */
  readAtMs = 0;
  /** `end` is a proper end; `cut` anything else. */
  ended: 'end' | 'cut' | null = null;
  private readonly chunks: Buffer[] = [];
  private waiters: (() => void)[] = [];

  private constructor(
    private readonly request: ClientRequest,
    private readonly response: IncomingMessage,
    private readonly keepsBytes: boolean,
  ) {}

  /** Sends a call; resolves at the head of the answer. */
  static open(
    gateway: Pick<TestGateway, 'url'>,
    body: string | Buffer,
    options: { secret: string; headers?: Record<string, string>; reads?: boolean; keepsBytes?: boolean },
  ): Promise<StreamClient> {
    const { secret, headers = {}, reads = true, keepsBytes = true } = options;
    return new Promise((resolve, reject) => {
      const request = httpRequest(`${gateway.url}/v1/responses`, {
        method: 'POST',
        agent: false,
        headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json', ...headers },
      });
      request.once('error', reject);
      request.once('response', (response) => {
        const client = new StreamClient(request, response, keepsBytes);
        client.watch();
        if (reads) client.read();
        resolve(client);
      });
      request.end(body);
    });
  }

  get status(): number {
    return this.response.statusCode ?? 0;
  }

  get headers(): IncomingHttpHeaders {
    return this.response.headers;
  }

  get requestId(): string {
    return String(this.headers['x-request-id']);
  }

  get body(): Buffer {
    return Buffer.concat(this.chunks);
  }

  get text(): string {
    return this.body.toString('utf8');
  }

  /** Resolves once the text has come; rejects when the answer ends before. */
  async until(text: string): Promise<void> {
    while (!this.text.includes(text)) {
      if (this.ended) throw new Error(`the answer ended (${this.ended}) without '${text}':\n${this.text}`);
      await this.change();
    }
  }

  /** Resolves at the end of the answer, whichever it is. */
  async end(): Promise<'end' | 'cut'> {
    while (this.ended === null) await this.change();
    return this.ended;
  }

  /** Starts to read, if it was opened without. */
  read(): void {
    this.response.on('data', (chunk: Buffer) => {
      this.bytes += chunk.length;
      this.readAtMs = performance.now();
      if (this.keepsBytes) this.chunks.push(chunk);
      this.wake();
    });
  }

  /** Stops reading; what comes stays in the sockets' buffers. */
  pause(): void {
    this.response.pause();
  }

  resume(): void {
    this.response.resume();
  }

  /** Closes the connection. */
  leave(): void {
    this.request.destroy();
  }

  private watch(): void {
    this.request.on('error', () => undefined);
    this.response.on('error', () => undefined);
    this.response.once('close', () => {
      this.ended = this.response.complete ? 'end' : 'cut';
      this.wake();
    });
  }

  private change(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`nothing came for ${SILENCE_MS_MAX} ms:\n${this.text}`)),
        SILENCE_MS_MAX,
      );
      this.waiters.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  private wake(): void {
    for (const resolve of this.waiters.splice(0)) resolve();
  }
}

/** A row together with the fields that tell of its way through the upstreams. */
export type FullRow = Request & {
  upstream_attempts: { upstream_name: string; status: number | null; problem: string | null }[];
  keep_alives: number;
};

/** The newest row that fits a query of the request list; waits until it has arrived. */
export function newestRow(gateway: TestGateway, query: string): Promise<FullRow> {
  return eventually(`a row for ${query}`, async () => {
    const { body } = await gateway.admin.get(`/requests?${query}`);
    return (body as { data: FullRow[] }).data[0];
  });
}
