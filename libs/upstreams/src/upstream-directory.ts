import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { Pool } from 'undici';
import { ChangeFeed, PrismaService } from '@app/database';
import { type Upstream, UpstreamHealth, type UpstreamKind } from './upstream.js';
import { UpstreamCredentials } from './upstream-credentials.js';

const CONNECT_TIMEOUT_MS = 5_000;
/** Reasoning may take long before the first byte; Codex itself waits for ever (codex-cli.md §3). */
const HEADERS_TIMEOUT_MS = 600_000;
/** Longest silence inside an answer. */
const IDLE_TIMEOUT_MS = 300_000;
const KEEP_ALIVE_MS = 30_000;

/** All enabled upstreams, in memory, each with its own connection pool. */
@Injectable()
export class UpstreamDirectory implements OnApplicationShutdown {
  private readonly logger = new Logger(UpstreamDirectory.name);
  private upstreams: readonly Upstream[] = [];

  constructor(
    private readonly prisma: PrismaService,
    private readonly credentials: UpstreamCredentials,
    feed: ChangeFeed,
  ) {
    feed.subscribe('config', () => this.load());
  }

  /** In the order in which they are to be tried. The demo upstream is only there while there is no other. */
  all(): readonly Upstream[] {
    return this.upstreams;
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.allSettled(this.upstreams.map(({ pool }) => pool.destroy()));
  }

  private async load(): Promise<void> {
    const rows = await this.prisma.upstream.findMany({
      orderBy: [{ priority: 'asc' }, { weight: 'desc' }, { id: 'asc' }],
    });
    const isReal = rows.some((row) => !row.demo);
    const before = new Map(this.upstreams.map((upstream) => [upstream.id, upstream]));
    this.upstreams = rows
      .filter((row) => row.enabled && !(row.demo && isReal))
      .flatMap((row) => {
        const authorization = this.authorizationOf(row.id, row.name, row.credentialSealed);
        if (authorization === undefined) return [];
        const { origin, pathname } = new URL(row.baseUrl);
        // A pool lives as long as its address and credential: connections are never shared between two accounts.
        const held = before.get(row.id);
        const isSame = held?.baseUrl === row.baseUrl && held.authorization === authorization;
        return {
          id: row.id,
          name: row.name,
          kind: row.kind as UpstreamKind,
          baseUrl: row.baseUrl,
          path: pathname.replace(/\/$/, ''),
          authorization,
          priority: row.priority,
          weight: row.weight,
          isDemo: row.demo,
          pool: isSame ? held.pool : makePool(origin),
          health: isSame ? held.health : new UpstreamHealth(),
        };
      });
    const kept = new Set(this.upstreams.map(({ pool }) => pool));
    // close() lets running answers finish.
    for (const { pool } of before.values()) if (!kept.has(pool)) void pool.close();
  }

  /** undefined when the credential cannot be opened: that upstream is left out, the others go on. */
  private authorizationOf(id: string, name: string, sealed: Uint8Array | null): string | null | undefined {
    if (!sealed) return null;
    try {
      return `Bearer ${this.credentials.open(id, sealed)}`;
    } catch {
      this.logger.error(`the credential of upstream ${name} cannot be opened with this MASTER_KEY: enter it again`);
      return undefined;
    }
  }
}

function makePool(origin: string): Pool {
  return new Pool(origin, {
    connectTimeout: CONNECT_TIMEOUT_MS,
    headersTimeout: HEADERS_TIMEOUT_MS,
    bodyTimeout: IDLE_TIMEOUT_MS,
    keepAliveTimeout: KEEP_ALIVE_MS,
    pipelining: 1,
  });
}
