import { Injectable } from '@nestjs/common';
import { ModelCatalog } from '@app/models';
import { Clock } from '@app/runtime';
import type { Candidate, Upstream } from './upstream.js';
import { UpstreamDirectory } from './upstream-directory.js';

/** Which upstreams serve a model, in the order in which they are to be tried: healthy ones first. */
@Injectable()
export class Routing {
  constructor(
    private readonly directory: UpstreamDirectory,
    private readonly catalog: ModelCatalog,
    private readonly clock: Clock,
  ) {}

  /** @param requestedModel public name or alias; a name that is not registered goes out as it is */
  candidates(requestedModel: string): readonly Candidate[] {
    const model = this.catalog.find(requestedModel);
    const publicName = model?.name ?? requestedModel;
    const all = this.directory.all();
    const candidates =
      model && model.routes.length > 0
        ? all.flatMap((upstream) => {
            const route = model.routes.find(({ upstreamId }) => upstreamId === upstream.id);
            return route ? [{ upstream, upstreamModel: route.upstreamModel ?? publicName }] : [];
          })
        : this.unlimited(all).map((upstream) => ({ upstream, upstreamModel: publicName }));
    if (candidates.length < 2) return candidates;
    const now = this.clock.monotonic();
    const isHealthy = ({ upstream }: Candidate) => upstream.health.isHealthy(now);
    return [...candidates.filter(isHealthy), ...candidates.filter((candidate) => !isHealthy(candidate))];
  }

  private unlimited(upstreams: readonly Upstream[]): readonly Upstream[] {
    const claimed = this.catalog.claimedUpstreams();
    return claimed.size === 0 ? upstreams : upstreams.filter(({ id }) => !claimed.has(id));
  }
}
