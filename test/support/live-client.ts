import { type ClientRequest, type IncomingMessage, type OutgoingHttpHeaders, request as httpRequest } from 'node:http';
import type { LiveGap, Request } from '@app/contract';
import { eventually } from './eventually.js';
import { ADMIN_TOKEN, type TestGateway } from './gateway.js';

/** An event of the live tail. */
export interface LiveEvent {
  type: 'request' | 'gap';
  id: string;
  data: Request & LiveGap;
}

/** A reader of the live tail, as an EventSource with a token would be. */
export class LiveClient {
  readonly events: LiveEvent[] = [];
  isEnded = false;
  private text = '';

  private constructor(
    private readonly request: ClientRequest,
    private readonly response: IncomingMessage,
  ) {
    response.setEncoding('utf8');
    response.on('data', (text: string) => this.take(text));
    response.once('close', () => (this.isEnded = true));
    response.on('error', () => undefined);
    request.on('error', () => undefined);
  }

  /** Resolves at the head of the answer. */
  static open(
    gateway: Pick<TestGateway, 'url'>,
    query = '',
    lastEventId?: string,
    credentials: OutgoingHttpHeaders = { authorization: `Bearer ${ADMIN_TOKEN}` },
  ): Promise<LiveClient> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(`${gateway.url}/admin/v1/requests/live?${query}`, {
        agent: false,
        headers: {
          ...credentials,
          ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
        },
      });
      request.once('error', reject);
      request.once('response', (response) => {
        const client = new LiveClient(request, response);
        resolve(client);
      });
      request.end();
    });
  }

  get status(): number {
    return this.response.statusCode ?? 0;
  }

  /** Public ids of the requests that were told, in order. */
  get ids(): string[] {
    return this.events.filter(({ type }) => type === 'request').map(({ data }) => data.id);
  }

  get gaps(): LiveGap[] {
    return this.events.filter(({ type }) => type === 'gap').map(({ data }) => data);
  }

  /** The event of a request, once it is there. */
  event(id: string): Promise<LiveEvent> {
    return eventually(`an event of ${id}`, () => this.events.find((event) => event.data.id === id));
  }

  leave(): void {
    this.request.destroy();
  }

  private take(text: string): void {
    this.text += text;
    const blocks = this.text.split('\n\n');
    this.text = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = new Map(
        block.split('\n').map((line) => [line.split(':', 1)[0], line.slice(line.indexOf(':') + 2)]),
      );
      const data = fields.get('data');
      if (data === undefined) continue;
      const [type, id] = [fields.get('event') as LiveEvent['type'], fields.get('id') ?? ''];
      this.events.push({ type, id, data: JSON.parse(data) as LiveEvent['data'] });
    }
  }
}
