import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Clock } from '@app/runtime';
import { type HealthReport, type Upstream, UpstreamDirectory } from '@app/upstreams';
import { Alerts } from './alerts.js';

const TICK_MS = 1_000;

/**
 * Tells of upstreams that go down (their circuit opens, or an operator takes them out) and that answer again. Health is looked
 * at once a second, so calls do nothing for it. An outage that several replicas see is one alert, from the first that goes
 * down to the first that has an answer.
 */
@Injectable()
export class UpstreamAlerts implements OnApplicationBootstrap, OnApplicationShutdown {
  /** When an upstream went down, by its id; null: it has answered since. Not there: nothing is known of it yet. */
  private readonly downSinceMs = new Map<string, number | null>();
  private timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly directory: UpstreamDirectory,
    private readonly alerts: Alerts,
    private readonly clock: Clock,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.look(), TICK_MS);
    this.timer.unref();
  }

  onApplicationShutdown(): void {
    if (this.timer) clearInterval(this.timer);
  }

  /** Compares each upstream's health with what was known of it. */
  look(): void {
    const nowMs = this.clock.monotonic();
    const upstreams = this.directory.all();
    for (const upstream of upstreams) this.lookAt(upstream, upstream.health.report(nowMs), nowMs);
    if (this.downSinceMs.size <= upstreams.length) return;
    const ids = new Set(upstreams.map(({ id }) => id));
    for (const id of this.downSinceMs.keys()) if (!ids.has(id)) this.downSinceMs.delete(id);
  }

  private lookAt({ id, name }: Upstream, report: HealthReport, nowMs: number): void {
    const sinceMs = this.downSinceMs.get(id);
    if (report.isTripped || report.circuit !== 'closed') {
      if (typeof sinceMs === 'number') return;
      this.downSinceMs.set(id, nowMs);
      this.tellDown(id, name, report);
      return;
    }
    // A circuit that has closed for a trial proves nothing: an answer does, from after it went down. A process that has just
    // started does not know whether an outage was told of before: its first answer ends that.
    if (sinceMs === null || report.lastSuccessAtMs === null || report.lastSuccessAtMs < (sinceMs ?? 0)) return;
    this.downSinceMs.set(id, null);
    this.alerts.raise({
      type: 'upstream.recovered',
      severity: 'info',
      objectType: 'upstream',
      objectId: id,
      dedupeKey: `upstream.recovered:${id}:${this.clock.now()}`,
      resolves: downKey(id),
      message: `The upstream ${name} answers again.`,
      data: { name },
    });
  }

  private tellDown(id: string, name: string, { isTripped, lastProblem }: HealthReport): void {
    this.alerts.raise({
      type: 'upstream.down',
      severity: 'critical',
      objectType: 'upstream',
      objectId: id,
      dedupeKey: downKey(id),
      message: isTripped
        ? `The upstream ${name} was taken out of use by an operator.`
        : `The upstream ${name} is down: ${lastProblem ?? 'its calls fail'}.`,
      data: { name, reason: isTripped ? 'tripped' : 'circuit_open', problem: isTripped ? null : lastProblem },
    });
  }
}

function downKey(id: string): string {
  return `upstream.down:${id}`;
}
