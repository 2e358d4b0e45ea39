import { Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { Redis } from 'ioredis';

const CONNECT_TIMEOUT_MS = 2_000;
/** A server that hangs while it is asked: its connection is closed, so that nobody waits for it any more. */
const SILENCE_MS_MAX = 1_000;
const RETRY_DELAY_MS_MAX = 1_000;

/**
 * The one connection to what replicas share. It is made in the background, and made again for as long as it takes: a Redis that
 * is away never keeps anybody from starting, and a command never waits for it, but fails at once, or after a short time when it hangs (see `inTime`).
 */
export class RedisConnection implements OnModuleInit, OnApplicationShutdown {
  /** null: no REDIS_URL */
  readonly client: Redis | null;
  private readonly logger = new Logger('Redis');
  private isAway = false;
  private isClosed = false;

  constructor(
    url: string | null,
    readonly replicaId: string,
    /** Commands that take longer are given up: whoever asks on the way of a request goes on without Redis. */
    private readonly commandTimeoutMs = 20,
  ) {
    this.client = url === null ? null : this.open(url);
  }

  /** A command may be sent now. */
  get isReady(): boolean {
    return this.client?.status === 'ready';
  }

  /**
   * The answer to a command, or an error when it takes too long. An answer that has come counts, even when this process was too busy to read
   * it in time.
   */
  inTime<Answer>(answer: Promise<Answer>): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => setImmediate(() => reject(new Error(`Redis did not answer within ${this.commandTimeoutMs} ms`))),
        this.commandTimeoutMs,
      );
      answer.then(resolve, reject).finally(() => clearTimeout(timer));
    });
  }

  onModuleInit(): void {
    // Told by the error handler; the connection goes on trying.
    this.client?.connect().catch(() => undefined);
  }

  onApplicationShutdown(): void {
    this.isClosed = true;
    this.client?.disconnect();
  }

  private open(url: string): Redis {
    const client = new Redis(url, {
      lazyConnect: true,
      enableOfflineQueue: false,
      // What was sent when a connection broke may have been done: sent again it would count twice.
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
      socketTimeout: SILENCE_MS_MAX,
      retryStrategy: (attempts) => Math.min(RETRY_DELAY_MS_MAX, 50 * 2 ** Math.min(attempts, 10)),
    });
    client.on('error', (error: Error) => this.lost(error.message));
    client.on('close', () => this.lost('the connection was closed'));
    client.on('ready', () => this.found());
    return client;
  }

  /** Once per outage, not once per attempt. */
  private lost(reason: string): void {
    if (this.isAway || this.isClosed) return;
    this.isAway = true;
    this.logger.warn(`Redis is away: ${reason || 'no answer'}; this replica counts for itself until it is back`);
  }

  private found(): void {
    if (this.isAway) this.logger.log('Redis is back');
    this.isAway = false;
  }
}
