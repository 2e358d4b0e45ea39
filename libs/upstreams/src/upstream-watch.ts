import { Injectable, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Clock } from '@app/runtime';
import type { Upstream } from './upstream.js';
import { UpstreamDirectory } from './upstream-directory.js';

const TICK_MS = 1_000;
const PROBE_TIMEOUT_MS = 5_000;

/**
 * Probes those upstreams that want it (`probe_interval_seconds`): a GET of their models, over the connections that calls use.
 * An upstream that answers is well, whatever it says of the models; so one that came back is found without a call's help.
 */
@Injectable()
export class UpstreamWatch implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly probedAtMs = new Map<string, number>();
  private timer: NodeJS.Timeout | null = null;

  constructor(
    private readonly directory: UpstreamDirectory,
    private readonly clock: Clock,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => this.probeDue(), TICK_MS);
    this.timer.unref();
  }

  onApplicationShutdown(): void {
    if (this.timer) clearInterval(this.timer);
  }

  private probeDue(): void {
    const nowMs = this.clock.monotonic();
    for (const upstream of this.directory.all()) {
      const { id, probeIntervalMs } = upstream;
      if (probeIntervalMs === null || nowMs - (this.probedAtMs.get(id) ?? -Infinity) < probeIntervalMs) continue;
      this.probedAtMs.set(id, nowMs);
      void this.probe(upstream);
    }
  }

  private async probe({ pool, path, authorization, extraHeaders, health }: Upstream): Promise<void> {
    try {
      const { statusCode, body } = await pool.request({
        method: 'GET',
        path: `${path}/models`,
        headers: authorization ? [...extraHeaders, 'authorization', authorization] : [...extraHeaders],
        signal: AbortSignal.timeout(PROBE_TIMEOUT_MS),
      });
      body.on('error', () => undefined).destroy();
      if (statusCode < 500) health.noteSuccess(this.clock.monotonic());
      else health.noteFailure(this.clock.monotonic(), `the probe was answered ${statusCode}`, false);
    } catch (error) {
      const { code, message } = error as Error & { code?: string };
      health.noteFailure(this.clock.monotonic(), `the probe failed: ${code ?? message}`, code === 'ECONNREFUSED');
    }
  }
}
