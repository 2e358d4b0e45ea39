import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { ChangeFeed } from '@app/database';
import { outcomeOf, RequestLog, type RequestRecord } from '@app/journal';
import { UnpricedModels } from '@app/models';
import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

const SECONDS_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

type LabelledValues = Iterable<[labels: string[], value: number]>;

/** What `/metrics` tells. Labels are bounded: no key, and no text that comes from a client. */
@Injectable()
export class GatewayMetrics implements OnApplicationShutdown {
  readonly registry = new Registry();
  // Kept plain and told to prom-client only when somebody asks: its labels cost more than the rest of a request's counting.
  private inFlightCount = 0;
  private startedCount = 0;
  private readonly requestCounts = new Map<string, number>();
  private readonly tokenCounts = { input: 0, cached: 0, output: 0, reasoning: 0 };
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

  constructor(
    log: RequestLog,
    feed: ChangeFeed,
    private readonly unpriced: UnpricedModels,
  ) {
    collectDefaultMetrics({ register: this.registry });
    this.showGauge('tollgate_requests_in_flight', 'Data-plane requests that are running', () => this.inFlightCount);
    this.showCounter(
      'tollgate_requests_total',
      'Data-plane requests by kind, outcome and status',
      ['kind', 'outcome', 'status'],
      () => [...this.requestCounts].map(([labels, count]) => [labels.split(' '), count]),
    );
    this.showCounter(
      'tollgate_tokens_total',
      'Tokens as counted by upstreams; cached and reasoning tokens are part of input and output',
      ['type'],
      () => byLabel(Object.entries(this.tokenCounts)),
    );
    this.showCounter(
      'tollgate_unpriced_requests_total',
      'Requests for models without a price, by what became of them',
      ['policy'],
      () => byLabel(Object.entries(unpriced.counts)),
    );
    this.showGauge('tollgate_log_rows_pending', 'Log rows not yet in PostgreSQL', () => log.rowsPending);
    this.showGauge('tollgate_log_rows_written', 'Log rows written since start', () => log.rowsWritten);
    this.showGauge('tollgate_log_rows_dropped', 'Log rows lost since start', () => log.rowsDropped);
    const { journal } = log;
    this.showGauge(
      'tollgate_log_oldest_pending_seconds',
      'Age of the request whose row waits longest for PostgreSQL',
      () => log.oldestPendingAgeMs / 1000,
    );
    this.showGauge('tollgate_journal_bytes', 'Size of the journal on disk', () => journal.bytes);
    this.showGauge('tollgate_journal_refusing', 'Whether new model requests are refused: full, or not writable', () =>
      journal.refusal === null ? 0 : 1,
    );
    this.showGauge(
      'tollgate_journal_crash_rows',
      'Rows of requests that a crash before this start has cut',
      () => journal.crashRows,
    );
    this.showGauge(
      'tollgate_journal_damaged_segments',
      'Segments that could not be read to their end',
      () => journal.segmentsDamaged,
    );
    this.showGauge(
      'tollgate_snapshot_age_seconds',
      'Time since keys and configuration were known to be fresh',
      () => feed.ageMs() / 1000,
    );
  }

  /** Data-plane requests that are running. */
  get requestsInFlight(): number {
    return this.inFlightCount;
  }

  /** Since the start: how many began, and what became of them. */
  get requestsSinceStart(): { began: number; ended: number; running: number } {
    const ended = [...this.requestCounts.values()].reduce((sum, count) => sum + count, 0);
    return { began: this.startedCount, ended, running: this.inFlightCount };
  }

  requestStarted(): void {
    this.startedCount++;
    this.inFlightCount++;
  }

  /** Takes a closed record. */
  requestEnded(record: RequestRecord): void {
    this.inFlightCount--;
    const labels = `${record.kind} ${outcomeOf(record)} ${record.status}`;
    this.requestCounts.set(labels, (this.requestCounts.get(labels) ?? 0) + 1);
    this.duration.observe(record.durationMs / 1000);
    if (record.firstByteMs !== null) this.firstByte.observe(record.firstByteMs / 1000);
    const { usage, unpricedPolicy } = record;
    if (unpricedPolicy) this.unpriced.note(record.model ?? '', unpricedPolicy, record.groupId, record.groupName);
    if (!usage) return;
    const { tokenCounts } = this;
    tokenCounts.input += usage.inputTokens;
    tokenCounts.cached += usage.cachedTokens;
    tokenCounts.output += usage.outputTokens;
    tokenCounts.reasoning += usage.reasoningTokens;
  }

  /** Adds a gauge that is read when somebody asks for it. */
  showGauge(name: string, help: string, read: () => number): void {
    this.showGauges(name, help, [], () => [[[], read()]]);
  }

  /** Adds a gauge with labels, that is read when somebody asks for it: all of its values, each with its labels. */
  showGauges(name: string, help: string, labelNames: string[], read: () => LabelledValues): void {
    this.registry.registerMetric(
      new Gauge({
        name,
        help,
        labelNames,
        registers: [],
        collect() {
          this.reset();
          for (const [labels, value] of read()) this.labels(...labels).set(value);
        },
      }),
    );
  }

  /** Adds a counter that is kept elsewhere, and read when somebody asks for it: all of its counts, each with its labels. */
  showCounter(name: string, help: string, labelNames: string[], read: () => LabelledValues): void {
    this.registry.registerMetric(
      new Counter({
        name,
        help,
        labelNames,
        registers: [],
        collect() {
          this.reset();
          for (const [labels, count] of read()) this.labels(...labels).inc(count);
        },
      }),
    );
  }

  onApplicationShutdown(): void {
    this.registry.clear();
  }
}

/** Counts that have one label each, as `showCounter` reads them. */
export function byLabel(counts: Iterable<readonly [label: string, count: number]>): [string[], number][] {
  return [...counts].map(([label, count]) => [[label], count]);
}
