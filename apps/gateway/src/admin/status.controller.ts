import { readFileSync } from 'node:fs';
import { Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { Status } from '@app/contract';
import { ChangeFeed } from '@app/database';
import { RequestLog } from '@app/journal';
import { RedisConnection } from '@app/runtime';
import { Permit } from '../identity/permissions.js';
import { GatewayMetrics } from '../health/gateway-metrics.js';
import { Lifecycle } from '../health/lifecycle.js';
import { SNAPSHOT_AGE_MS_MAX } from '../health/snapshot-age.js';
import { AdminController } from './admin.decorators.js';

/** The change feed looks every two seconds: behind so many it has failed more than once. */
const DATABASE_SILENCE_MS_MAX = 10_000;

const { version } = JSON.parse(readFileSync(new URL('../../../../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

/** How the replica is that answers. */
@AdminController('status')
export class StatusController {
  constructor(
    private readonly feed: ChangeFeed,
    private readonly log: RequestLog,
    private readonly redis: RedisConnection,
    private readonly metrics: GatewayMetrics,
    private readonly lifecycle: Lifecycle,
  ) {}

  @Get()
  @Permit('status:read')
  @ApiOperation({ summary: 'How this replica is: its journal, its database, what runs' })
  @ApiOkResponse({ standardSchema: Status })
  read(): Status {
    const { log, feed, redis } = this;
    const { journal } = log;
    return {
      replica: redis.replicaId,
      version,
      node_version: process.version,
      started_at: new Date(performance.timeOrigin).toISOString(),
      state: this.state,
      requests_in_flight: this.metrics.requestsInFlight,
      snapshot_age_seconds: feed.ageMs() / 1000,
      database: feed.ageMs() > DATABASE_SILENCE_MS_MAX ? 'away' : 'ok',
      redis: redis.client === null ? 'off' : redis.isReady ? 'ok' : 'away',
      journal: {
        bytes: journal.bytes,
        rows_pending: log.rowsPending,
        oldest_pending_seconds: log.oldestPendingAgeMs / 1000,
        rows_lost: log.rowsDropped,
        crash_rows: journal.crashRows,
        segments_damaged: journal.segmentsDamaged,
        refusal: journal.refusal,
      },
    };
  }

  private get state(): Status['state'] {
    if (this.lifecycle.isDraining) return 'draining';
    if (this.log.journal.refusal !== null) return 'refusing';
    return this.feed.ageMs() > SNAPSHOT_AGE_MS_MAX ? 'stale' : 'ok';
  }
}
