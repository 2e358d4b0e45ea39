import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ApiError } from './api-error.js';
import { answerApi, refuse } from './api-routes.js';
import { answerControl, CONTROL_PREFIX } from './control-routes.js';
import { Exchange } from './exchange.js';
import { Ledger } from './ledger.js';
import { ReleaseGate } from './release-gate.js';
import { receiveBody } from './request-body.js';
import { Seal } from './seal.js';
import { CompactedContents, type CompactionKnowledge } from './compacted-contents.js';
import { DirectiveUses, type Service } from './service.js';
import { StoredResponses } from './stored-responses.js';
import { PromptCache } from './usage.js';

export { Exchange } from './exchange.js';
export type { Fault } from './fault.js';
export { Ledger, type LedgerEntry, type LedgerSums, type LedgerTotals, type Outcome } from './ledger.js';
export type { CompactionKnowledge } from './compacted-contents.js';
export { directive, type Script } from './script.js';
export type { Usage } from './usage.js';

/** How a simulator is started; everything is optional. */
export interface SimulatorOptions {
  port?: number;
  host?: string;
  /** The models served; any other is refused. Every model is served by default. */
  models?: string[];
  /** Under which encrypted content is sealed: that of another name is refused. Without one, nothing is. */
  name?: string;
  /** Whether exchanges are kept for inspection (default); without it memory stays flat and the ledger's list bounded. */
  recordRequests?: boolean;
  /** How many exchanges are kept; 1000 by default. */
  exchangesMax?: number;
  /**
   * What it knows of compaction: everything (`native`, the default), nothing (`unknown`: it refuses), or nothing while it
   * passes over what it does not know (`ignored`).
   */
  compaction?: CompactionKnowledge;
  /** A longer input is refused; by default none is. */
  contextWindowTokens?: number;
  /** Whether every item of an input is checked; by default anything is taken. */
  isStrict?: boolean;
  /** The pause after each text delta when the script does not say; 0 by default. */
  deltaDelayMs?: number;
}

const EXCHANGES_MAX = 1_000;
// Longer than any client pool keeps a socket, so that it is never the server that closes an idle one first.
const KEEP_ALIVE_MS = 75_000;

/** A fake upstream that speaks the OpenAI Responses API, does as its requests script, and bills exactly. */
export class Simulator {
  /** What was billed. */
  readonly ledger: Ledger;
  /** The last API requests, newest last (empty without `recordRequests`). */
  readonly exchanges: Exchange[] = [];
  private readonly open = new Set<Exchange>();
  private readonly server: Server;
  private readonly service: Service;
  private readonly recordsRequests: boolean;
  private readonly exchangesMax: number;
  private exchangeWaiters: ((exchange: Exchange) => void)[] = [];
  private address = '';

  private constructor(options: SimulatorOptions) {
    this.recordsRequests = options.recordRequests ?? true;
    this.exchangesMax = options.exchangesMax ?? EXCHANGES_MAX;
    this.ledger = new Ledger(!this.recordsRequests);
    this.service = {
      models: options.models ?? null,
      ledger: this.ledger,
      stored: new StoredResponses(),
      promptCache: new PromptCache(),
      gate: new ReleaseGate(),
      seal: new Seal(options.name ?? null),
      directiveUses: new DirectiveUses(),
      deltaDelayMs: options.deltaDelayMs ?? 0,
      contents: new CompactedContents(),
      compaction: options.compaction ?? 'native',
      contextWindowTokens: options.contextWindowTokens ?? Infinity,
      isStrict: options.isStrict ?? false,
    };
    this.server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 0, noDelay: true });
    this.server.on('request', (request, response) => void this.serve(request, response));
  }

  /** Starts listening: on 127.0.0.1 and a free port by default. */
  static async start(options: SimulatorOptions = {}): Promise<Simulator> {
    const simulator = new Simulator(options);
    await simulator.listen(options.port ?? 0, options.host ?? '127.0.0.1');
    return simulator;
  }

  /** `http://HOST:PORT` */
  get url(): string {
    return this.address;
  }

  /** `http://HOST:PORT/v1`, what an OpenAI client takes as its base URL. */
  get baseUrl(): string {
    return `${this.address}/v1`;
  }

  /** What a model knows that gets this request: its input, and what the service's own compactions in it stand for. */
  contextOf(exchange: Exchange): string {
    const { input } = JSON.parse(exchange.body.toString('utf8')) as { input?: unknown };
    return this.service.contents.readable(input);
  }

  /** Resolves at the next API request whose body has been received. */
  nextExchange(): Promise<Exchange> {
    return new Promise((resolve) => this.exchangeWaiters.push(resolve));
  }

  /** Lets every exchange that is holding (`hold_after_events`) go on. */
  release(): void {
    this.service.gate.release();
  }

  /** Stops listening and closes all sockets. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    const exchanges = [...this.open];
    for (const exchange of exchanges) exchange.markCutByServer();
    this.server.closeAllConnections();
    await Promise.all([closed, ...exchanges.map((exchange) => exchange.closed)]);
  }

  private async listen(port: number, host: string): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.server.once('error', reject);
      this.server.listen(port, host, () => resolve());
    });
    const bound = this.server.address() as AddressInfo;
    const shownHost = bound.family === 'IPv6' ? `[${bound.address}]` : bound.address;
    this.address = `http://${shownHost}:${bound.port}`;
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.url?.startsWith(CONTROL_PREFIX)) {
      return answerControl(this.service, this.exchanges, request, response);
    }
    const exchange = new Exchange(request, response, this.recordsRequests);
    this.open.add(exchange);
    void exchange.closed.then(() => this.open.delete(exchange));
    try {
      await this.answer(exchange);
    } catch (error) {
      // A bug of the simulator has to be seen by the client under test, not to end the process.
      const fields = { message: `Simulator bug: ${String(error)}`, type: 'server_error', param: null, code: null };
      if (exchange.status === null) refuse(exchange, new ApiError(500, fields));
      else exchange.destroy();
    }
  }

  private async answer(exchange: Exchange): Promise<void> {
    let refusal: ApiError | null = null;
    try {
      const body = await receiveBody(exchange.request);
      if (!body) return;
      exchange.body = body;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      refusal = error;
    }
    this.remember(exchange);
    if (refusal) return refuse(exchange, refusal);
    await answerApi(this.service, exchange);
  }

  private remember(exchange: Exchange): void {
    if (this.recordsRequests) {
      this.exchanges.push(exchange);
      if (this.exchanges.length > this.exchangesMax) this.exchanges.shift();
    }
    const waiters = this.exchangeWaiters;
    this.exchangeWaiters = [];
    for (const resolve of waiters) resolve(exchange);
  }
}
