import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** The one promise that is broken on the way. */
export type Breach = 'flips_a_byte' | 'swallows_upgrades' | 'keeps_calls_of_leavers' | 'holds_calls';

/** Stands between a client and a gateway, and makes of the gateway one that breaks a promise. */
export class BreakingProxy {
  /** Resolves when a call is held (`holds_calls`). */
  readonly held: Promise<void>;
  private noteHeld: () => void = () => undefined;
  private readonly server: Server;

  private constructor(
    private readonly target: string,
    private readonly breach: Breach,
  ) {
    this.held = new Promise((resolve) => (this.noteHeld = resolve));
    this.server = createServer((incoming, outgoing) => this.pass(incoming, outgoing));
  }

  static async start(target: string, breach: Breach): Promise<BreakingProxy> {
    const proxy = new BreakingProxy(target, breach);
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }

  private pass(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { method, url = '' } = incoming;
    const headers = { ...incoming.headers };
    if (this.breach === 'swallows_upgrades') delete headers.upgrade;
    if (this.breach === 'holds_calls' && url === '/v1/responses') return this.noteHeld();
    const upstream = request(`${this.target}${url}`, { method, headers, agent: false });
    upstream.on('error', () => outgoing.destroy());
    upstream.on('response', (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.on('data', (chunk: Buffer) => outgoing.write(this.broken(chunk)));
      answer.on('end', () => outgoing.end()).on('error', () => outgoing.destroy());
    });
    outgoing.on('close', () => {
      if (this.breach !== 'keeps_calls_of_leavers') upstream.destroy();
    });
    incoming.pipe(upstream);
  }

  private broken(chunk: Buffer): Buffer {
    const at = chunk.indexOf('Grüße');
    if (this.breach !== 'flips_a_byte' || at === -1) return chunk;
    const flipped = Buffer.from(chunk);
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    return flipped;
  }
}
