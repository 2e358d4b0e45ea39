import type { ThrottlerStorage } from '@nestjs/throttler';
import { LRUCache } from 'lru-cache';
import type { Clock, RedisConnection } from '@app/runtime';

/** Of each throttler: whoever has more addresses than this is not held by counting addresses. */
const CLIENTS_MAX = 10_000;
const PREFIX = '{tollgate}:throttle:';

/**
 * Counts one request in a window that begins with its first, or with the one that is too many when that is to be blocked for a
 * time of its own. Answers with the count, and with how long it still stands.
 */
const COUNT = `
local ttl, limit, block = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local hits = redis.call('INCR', KEYS[1])
if hits == limit + 1 and block > 0 then
  redis.call('PEXPIRE', KEYS[1], block)
elseif hits == 1 or redis.call('PTTL', KEYS[1]) < 0 then
  redis.call('PEXPIRE', KEYS[1], ttl)
end
return {hits, redis.call('PTTL', KEYS[1])}
`;

type CountScript = (key: string, ttlMs: number, limit: number, blockMs: number) => Promise<[hits: number, ms: number]>;

/** What a client has had since its window began. */
interface Window {
  readonly hits: number;
  readonly endsAtMs: number;
}

interface Rule {
  readonly ttlMs: number;
  readonly limit: number;
  readonly blockMs: number;
}

type ThrottlerRecord = Awaited<ReturnType<ThrottlerStorage['increment']>>;

/**
 * What the throttlers count: together with the other replicas in Redis, and alone without it or while it is away, from what was
 * known of all on. Nobody is refused because Redis is away, nobody who is refused anyway costs a round trip, and what is held in
 * memory does not grow with the number of clients.
 */
export class ThrottleCounts implements ThrottlerStorage {
  /** Requests that were too many, by throttler, since the start. */
  readonly refused = new Map<string, number>();
  private readonly windows = new Map<string, LRUCache<string, Window>>();
  private readonly countInRedis: CountScript | null;

  constructor(
    private readonly redis: RedisConnection,
    private readonly clock: Clock,
  ) {
    const { client } = redis;
    client?.defineCommand('tollgateThrottle', { numberOfKeys: 1, lua: COUNT });
    const scripts = client as unknown as { tollgateThrottle: CountScript } | null;
    this.countInRedis = scripts && ((...ask) => scripts.tollgateThrottle(...ask));
  }

  /** Clients that are held in memory. */
  get clients(): number {
    return [...this.windows.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** Counts a request of a client; never fails. @param blockMs how long it is blocked; 0: until its window is over */
  async increment(
    client: string,
    ttlMs: number,
    limit: number,
    blockMs: number,
    throttler: string,
  ): Promise<ThrottlerRecord> {
    const windows = this.windowsOf(throttler);
    const rule = { ttlMs, limit, blockMs };
    let window = this.openWindow(windows, client);
    if (!window || window.hits <= limit) {
      const counting = this.countShared(`${PREFIX}${throttler}:${client}`, rule);
      // What comes too late for this request is known to the next one.
      counting?.then((late) => this.remember(windows, client, late)).catch(() => undefined);
      window = (await this.inTime(counting)) ?? this.countAlone(windows, client, rule);
      this.remember(windows, client, window);
    }
    const isBlocked = window.hits > limit;
    if (isBlocked) this.refused.set(throttler, (this.refused.get(throttler) ?? 0) + 1);
    const seconds = Math.max(1, Math.ceil((window.endsAtMs - this.clock.monotonic()) / 1000));
    return { totalHits: window.hits, timeToExpire: seconds, isBlocked, timeToBlockExpire: isBlocked ? seconds : 0 };
  }

  /** null: there is no Redis to ask */
  private countShared(key: string, { ttlMs, limit, blockMs }: Rule): Promise<Window> | null {
    if (!this.countInRedis || !this.redis.isReady) return null;
    const counted = this.countInRedis(key, ttlMs, limit, blockMs);
    return counted.then(([hits, ms]) => ({ hits, endsAtMs: this.clock.monotonic() + ms }));
  }

  private async inTime(counting: Promise<Window> | null): Promise<Window | null> {
    try {
      return counting && (await this.redis.inTime(counting));
    } catch {
      // The connection tells the operator.
      return null;
    }
  }

  /** Answers may overtake each other: within a window a count never falls. */
  private remember(windows: LRUCache<string, Window>, client: string, window: Window): void {
    const known = this.openWindow(windows, client);
    if (!known || known.hits < window.hits) windows.set(client, window);
  }

  private countAlone(windows: LRUCache<string, Window>, client: string, { ttlMs, limit, blockMs }: Rule): Window {
    const nowMs = this.clock.monotonic();
    const { hits, endsAtMs } = this.openWindow(windows, client) ?? { hits: 0, endsAtMs: nowMs + ttlMs };
    const isFirstTooMany = hits === limit && blockMs > 0;
    return { hits: hits + 1, endsAtMs: isFirstTooMany ? nowMs + blockMs : endsAtMs };
  }

  private openWindow(windows: LRUCache<string, Window>, client: string): Window | undefined {
    const window = windows.get(client);
    return window && window.endsAtMs > this.clock.monotonic() ? window : undefined;
  }

  private windowsOf(throttler: string): LRUCache<string, Window> {
    let windows = this.windows.get(throttler);
    if (!windows) this.windows.set(throttler, (windows = new LRUCache({ max: CLIENTS_MAX })));
    return windows;
  }
}
