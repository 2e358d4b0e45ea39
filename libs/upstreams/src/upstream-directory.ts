import { Injectable, Logger, type OnApplicationShutdown } from '@nestjs/common';
import { ChangeFeed, type Prisma, PrismaService } from '@app/database';
import type { MemberOverride } from '@app/protocol';
import { AddressPolicy } from './address-policy.js';
import { affinitySeed } from './affinity.js';
import { normalizeBaseUrl } from './base-url.js';
import type { CompactionMode, StreamMode, Upstream, UpstreamKind } from './upstream.js';
import { UpstreamCredentials } from './upstream-credentials.js';
import { UpstreamHealth } from './upstream-health.js';
import { makeUpstreamPool } from './upstream-pool.js';

type UpstreamRow = Prisma.UpstreamGetPayload<object>;

/** All enabled upstreams, in memory, each with its own connection pool. */
@Injectable()
export class UpstreamDirectory implements OnApplicationShutdown {
  private readonly logger = new Logger(UpstreamDirectory.name);
  private held: readonly HeldUpstream[] = [];
  private upstreams: readonly Upstream[] = [];
  private configured: ReadonlySet<string> = new Set();

  constructor(
    private readonly prisma: PrismaService,
    private readonly credentials: UpstreamCredentials,
    private readonly policy: AddressPolicy,
    feed: ChangeFeed,
  ) {
    feed.subscribe('config', () => this.load());
  }

  /** The demo upstream is only there while there is no other. */
  all(): readonly Upstream[] {
    return this.upstreams;
  }

  /** The upstream of this id; undefined when it is disabled or there is none. */
  find(id: string): Upstream | undefined {
    return this.upstreams.find((upstream) => upstream.id === id);
  }

  /** Whether there is an upstream of this id, enabled or not. */
  isConfigured(id: string): boolean {
    return this.configured.has(id);
  }

  async onApplicationShutdown(): Promise<void> {
    await Promise.allSettled(this.upstreams.map(({ pool }) => pool.destroy()));
  }

  private async load(): Promise<void> {
    const rows = await this.prisma.upstream.findMany({ orderBy: { id: 'asc' } });
    this.configured = new Set(rows.map(({ id }) => id));
    const isReal = rows.some((row) => !row.demo);
    const before = new Map(this.held.map((held) => [held.upstream.id, held]));
    this.held = rows
      .filter((row) => row.enabled && !(row.demo && isReal))
      .flatMap((row) => this.hold(row, before.get(row.id)) ?? []);
    this.upstreams = this.held.map(({ upstream }) => upstream);
    const kept = new Set(this.upstreams.map(({ pool }) => pool));
    // close() lets running answers finish.
    for (const { upstream } of before.values()) if (!kept.has(upstream.pool)) void upstream.pool.close();
  }

  /** null when its secrets cannot be opened: that upstream is left out, the others go on. */
  private hold(row: UpstreamRow, before: HeldUpstream | undefined): HeldUpstream | null {
    const secrets = this.secretsOf(row);
    if (!secrets) return null;
    if (normalizeBaseUrl(row.baseUrl) === null) {
      this.logger.error(`upstream ${row.name} has no valid base URL: enter it again`);
      return null;
    }
    const { origin, pathname } = new URL(row.baseUrl);
    const { connectTimeoutMs, headersTimeoutMs, idleTimeoutMs } = row;
    // A pool lives as long as its address and credential: connections are never shared between two accounts.
    const pool = {
      origin,
      isDemo: row.demo,
      connectTimeoutMs,
      headersTimeoutMs,
      idleTimeoutMs,
      httpProxy: secrets.httpProxy,
    };
    const poolKey = JSON.stringify([pool, secrets.authorization]);
    const isSameHost =
      before?.upstream.baseUrl === row.baseUrl && before.upstream.authorization === secrets.authorization;
    const health = isSameHost ? before.upstream.health : new UpstreamHealth();
    health.isTripped = row.trippedAt !== null;
    if (before && (row.resetAt?.getTime() ?? 0) > (before.resetAt?.getTime() ?? 0)) health.reset();
    return {
      poolKey,
      resetAt: row.resetAt,
      upstream: {
        id: row.id,
        name: row.name,
        kind: row.kind as UpstreamKind,
        baseUrl: row.baseUrl,
        origin,
        path: pathname.replace(/\/$/, ''),
        authorization: secrets.authorization,
        extraHeaders: secrets.extraHeaders,
        overrides: overridesOf(row.parameterOverrides),
        streamMode: row.streamMode as StreamMode,
        compaction: row.compaction as CompactionMode,
        priority: row.priority,
        weight: row.weight,
        inFlightMax: row.maxConcurrency ?? Infinity,
        totalTimeoutMs: row.totalTimeoutMs ?? Infinity,
        coolDownMsMax: row.coolDownSecondsMax * 1000,
        probeIntervalMs: row.probeIntervalSeconds === null ? null : row.probeIntervalSeconds * 1000,
        isDemo: row.demo,
        seed: affinitySeed(row.id),
        pool: before?.poolKey === poolKey ? before.upstream.pool : makeUpstreamPool({ ...pool, policy: this.policy }),
        health,
      },
    };
  }

  private secretsOf({ id, name, credentialSealed, extraHeadersSealed, httpProxySealed }: UpstreamRow) {
    try {
      const headers = extraHeadersSealed
        ? (JSON.parse(this.credentials.open(id, extraHeadersSealed)) as Record<string, string>)
        : {};
      return {
        authorization: credentialSealed && `Bearer ${this.credentials.open(id, credentialSealed)}`,
        extraHeaders: Object.entries(headers).flatMap(([header, value]) => [header.toLowerCase(), value]),
        httpProxy: httpProxySealed && this.credentials.open(id, httpProxySealed),
      };
    } catch {
      this.logger.error(`the credential of upstream ${name} cannot be opened with this MASTER_KEY: enter it again`);
      return null;
    }
  }
}

/** An upstream together with what decides whether its connections and its health outlive a change of configuration. */
interface HeldUpstream {
  readonly upstream: Upstream;
  readonly poolKey: string;
  readonly resetAt: Date | null;
}

function overridesOf(value: Prisma.JsonValue): MemberOverride[] {
  return Object.entries((value ?? {}) as Record<string, unknown>).map(([name, field]) => ({
    name,
    json: field === null ? null : JSON.stringify(field),
  }));
}
