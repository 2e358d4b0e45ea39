import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { once } from 'node:events';

/** What an upstream does with a call, whose body has been read. */
export type Behaviour = (response: ServerResponse, request: IncomingMessage) => void;

/** One call that an upstream got. */
export interface UpstreamCall {
  request: IncomingMessage;
  response: ServerResponse;
  body: Buffer;
  /** When the connection under it was closed, by `performance.now()`. */
  closed: Promise<number>;
}

/** An upstream that answers with any bytes at all, for what the simulator is too well-behaved to do. */
export class ScriptedUpstream {
  /** For the next calls. */
  behave: Behaviour = (response) => response.writeHead(200, SSE).end(WHOLE_STREAM);
  readonly calls: UpstreamCall[] = [];
  private readonly closes = new WeakMap<Socket, Promise<number>>();
  private waiters: ((call: UpstreamCall) => void)[] = [];

  private constructor(private readonly server: Server) {}

  static async start(): Promise<ScriptedUpstream> {
    const server = createServer({ keepAliveTimeout: 60_000 });
    const upstream = new ScriptedUpstream(server);
    server.on('request', (request, response) => void upstream.serve(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return upstream;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  nextCall(): Promise<UpstreamCall> {
    return new Promise((resolve) => this.waiters.push(resolve));
  }

  async close(): Promise<void> {
    const closed = once(this.server, 'close');
    this.server.close();
    this.server.closeAllConnections();
    await closed;
  }

  /** One promise for all calls of a connection. */
  private closeOf(socket: Socket): Promise<number> {
    let closed = this.closes.get(socket);
    if (!closed) {
      closed = new Promise((resolve) => socket.once('close', () => resolve(performance.now())));
      this.closes.set(socket, closed);
    }
    return closed;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const closed = this.closeOf(request.socket);
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk as Buffer);
    } catch {
      return;
    }
    const call = { request, response, body: Buffer.concat(chunks), closed };
    this.calls.push(call);
    for (const resolve of this.waiters.splice(0)) resolve(call);
    this.behave(response, request);
  }
}

/** Closes the connection under an answer the hard way, once what was written has left. */
export function resetAnswer(response: ServerResponse): void {
  const { socket } = response;
  if (!socket) return;
  socket.write('', () => setTimeout(() => Object.assign(socket, { resetAndClosing: true }).destroy(), RESET_DELAY_MS));
}

// A reader that polls the last bytes and the reset at once sees a clean end.
const RESET_DELAY_MS = 10;

export const SSE = { 'content-type': 'text/event-stream' };
export const JSON_TYPE = { 'content-type': 'application/json' };
/** What the terminal events below carry. */
export const USAGE = {
  input_tokens: 11,
  input_tokens_details: { cached_tokens: 3 },
  output_tokens: 7,
  output_tokens_details: { reasoning_tokens: 2 },
  total_tokens: 18,
};

/** An event in OpenAI's form. */
export function event(type: string, fields: object): string {
  return `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
}

const RESPONSE = { id: 'resp_scripted', object: 'response', model: 'gpt-5.5' };
export const CREATED = event('response.created', {
  sequence_number: 0,
  response: { ...RESPONSE, status: 'in_progress', usage: null },
});
export const IN_PROGRESS = event('response.in_progress', {
  sequence_number: 1,
  response: { ...RESPONSE, status: 'in_progress', usage: null },
});
export const DELTA = event('response.output_text.delta', {
  sequence_number: 2,
  item_id: 'msg_1',
  output_index: 0,
  content_index: 0,
  delta: 'Grüße, 世界 🌍',
});
export const COMPLETED = event('response.completed', {
  sequence_number: 3,
  response: { ...RESPONSE, status: 'completed', output: [], usage: USAGE },
});
export const FAILED = event('response.failed', {
  sequence_number: 3,
  response: {
    ...RESPONSE,
    status: 'failed',
    output: [],
    error: { code: 'server_error', message: 'The upstream failed.' },
    usage: null,
  },
});
export const ERROR = event('error', {
  sequence_number: 2,
  error: { type: 'insufficient_quota', code: 'insufficient_quota', message: 'No money.', param: null },
});
/** A whole answer: created, in progress, one delta, completed. */
export const WHOLE_STREAM = CREATED + IN_PROGRESS + DELTA + COMPLETED;
