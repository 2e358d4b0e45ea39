import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { ChangeFeed } from '@app/database';
import { outcomeOf, RequestLog, type RequestRecord } from '@app/journal';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

const SECONDS_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

/** What `/metrics` tells. Labels are bounded: no key, and no text that comes from a client. */
@Injectable()
export class GatewayMetrics implements OnApplicationShutdown {
  readonly registry = new Registry();
  private readonly inFlight = new Gauge({
    name: 'tollgate_requests_in_flight',
    help: 'Data-plane requests that are running',
    registers: [this.registry],
  });
  private readonly requests = new Counter({
    name: 'tollgate_requests_total',
    help: 'Data-plane requests by kind, outcome and status',
    labelNames: ['kind', 'outcome', 'status'],
    registers: [this.registry],
  });
  private readonly firstByte = new Histogram({
    name: 'tollgate_first_byte_seconds',
    help: 'Time from a request to the first byte of its answer',
    buckets: SECONDS_BUCKETS,
    registers: [this.registry],
  });
  private readonly duration = new Histogram({
    name: 'tollgate_request_duration_seconds',
    help: 'Time from a request to the end of its answer',
    buckets: SECONDS_BUCKETS,
    registers: [this.registry],
  });
  private readonly tokens = new Counter({
    name: 'tollgate_tokens_total',
    help: 'Tokens as counted by upstreams; cached and reasoning tokens are part of input and output',
    labelNames: ['type'],
    registers: [this.registry],
  });

  constructor(log: RequestLog, feed: ChangeFeed) {
    collectDefaultMetrics({ register: this.registry });
    const gauge = (name: string, help: string, read: () => number) =>
      new Gauge({
        name,
        help,
        registers: [this.registry],
        collect() {
          this.set(read());
        },
      });
    gauge('tollgate_log_rows_pending', 'Log rows not yet in PostgreSQL', () => log.rowsPending);
    gauge('tollgate_log_rows_written', 'Log rows written since start', () => log.rowsWritten);
    gauge('tollgate_log_rows_dropped', 'Log rows lost since start', () => log.rowsDropped);
    gauge(
      'tollgate_snapshot_age_seconds',
      'Time since keys and configuration were known to be fresh',
      () => feed.ageMs() / 1000,
    );
  }

  requestStarted(): void {
    this.inFlight.inc();
  }

  /** Takes a closed record. */
  requestEnded(record: RequestRecord): void {
    this.inFlight.dec();
    this.requests.inc({ kind: record.kind, outcome: outcomeOf(record), status: record.status });
    this.duration.observe(record.durationMs / 1000);
    if (record.firstByteMs !== null) this.firstByte.observe(record.firstByteMs / 1000);
    const { usage } = record;
    if (!usage) return;
    this.tokens.inc({ type: 'input' }, usage.inputTokens);
    this.tokens.inc({ type: 'cached' }, usage.cachedTokens);
    this.tokens.inc({ type: 'output' }, usage.outputTokens);
    this.tokens.inc({ type: 'reasoning' }, usage.reasoningTokens);
  }

  onApplicationShutdown(): void {
    this.registry.clear();
  }
}
