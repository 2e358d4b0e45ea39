import { Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import type { Notices } from './notices.js';
import type { PrismaService } from './prisma.service.js';

export type ChangeTopic = 'keys' | 'config';

/** Reads what changed after `sinceVersion`, or all when it is null, and puts it in place. */
export type SnapshotLoader = (sinceVersion: bigint | null) => Promise<void>;

const CHANNEL = 'tollgate_changes';
const POLL_MS = 2_000;

/**
 * Keeps in-memory snapshots fresh: the database tells of a change (NOTIFY), and in case that gets lost the versions are
 * polled. `refresh` is for the process that made the change, so that it sees its own write at once.
 *
 * Versions become visible in commit order (see the migration), so a loader that ran for version N holds all up to N.
 */
export class ChangeFeed implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger(ChangeFeed.name);
  private readonly loaders = new Map<ChangeTopic, SnapshotLoader[]>();
  private readonly loaded = new Map<ChangeTopic, bigint>();
  private timer: NodeJS.Timeout | null = null;
  private running: Promise<void> = Promise.resolve();
  private queued: Promise<void> | null = null;
  private isClosed = false;
  private isFailing = false;
  private freshAtMs = 0;

  constructor(
    private readonly prisma: PrismaService,
    notices: Notices,
  ) {
    notices.on(CHANNEL, () => void this.poll());
  }

  /** Registers a loader; it runs at start, before the server listens, and after each change of its topic. */
  subscribe(topic: ChangeTopic, loader: SnapshotLoader): void {
    this.loaders.set(topic, [...(this.loaders.get(topic) ?? []), loader]);
  }

  /** Milliseconds since the snapshots were last known to be fresh. */
  ageMs(): number {
    return performance.now() - this.freshAtMs;
  }

  /** Fails when the snapshots cannot be loaded: a gateway that knows no keys must not start. */
  async onApplicationBootstrap(): Promise<void> {
    await (this.running = this.load());
    this.timer = setInterval(() => void this.poll(), POLL_MS);
    this.timer.unref();
  }

  async onApplicationShutdown(): Promise<void> {
    this.isClosed = true;
    if (this.timer) clearInterval(this.timer);
    await this.running.catch(() => undefined);
  }

  /**
   * Loads all that has changed until now; for whoever has just committed a change. Never throws: the write stands, and the
   * next poll catches up.
   */
  async refresh(): Promise<void> {
    try {
      await this.loadNext();
    } catch (error) {
      this.logger.warn(`a change is not yet in force here: ${String(error)}`);
    }
  }

  /** Concurrent calls share one load that starts after the last of them. */
  private loadNext(): Promise<void> {
    this.queued ??= this.running
      .catch(() => undefined)
      .then(() => {
        this.queued = null;
        this.running = this.load();
        return this.running;
      });
    return this.queued;
  }

  private async load(): Promise<void> {
    const startedAtMs = performance.now();
    // Groups (topic config) before the keys that name them.
    const rows = await this.prisma.changeFeed.findMany({ orderBy: { topic: 'asc' } });
    for (const { topic: name, version, deletedVersion } of rows) {
      const topic = name as ChangeTopic;
      const since = this.loaded.get(topic);
      if (since === version) continue;
      // A deleted row cannot be found by its version: then everything is read again.
      const isPartial = since !== undefined && deletedVersion <= since;
      for (const loader of this.loaders.get(topic) ?? []) await loader(isPartial ? since : null);
      this.loaded.set(topic, version);
    }
    this.freshAtMs = startedAtMs;
  }

  private async poll(): Promise<void> {
    try {
      await this.loadNext();
      if (this.isFailing) this.logger.log('the change feed works again');
      this.isFailing = false;
    } catch (error) {
      // Said once, not every two seconds; the snapshots in memory go on serving.
      if (!this.isFailing && !this.isClosed) this.logger.warn(`the change feed fails: ${String(error)}`);
      this.isFailing = true;
    }
  }
}
