import { Injectable } from '@nestjs/common';
import { ModelCatalog } from '@app/models';
import { Clock } from '@app/runtime';
import { type AffinityHash, affinityHash, affinityScore } from './affinity.js';
import type { Candidate, Upstream } from './upstream.js';
import { UpstreamDirectory } from './upstream-directory.js';

/** What decides where a call goes. */
export interface RoutingQuery {
  /** Public name or alias; a name that is not registered goes out as it is. */
  readonly model: string;
  /** The session's name: the same name gets the same upstream on every replica. null: any by its weight. */
  readonly affinity: string | null;
  /** The upstream that holds what the call refers to: no other can answer it. */
  readonly holderId: string | null;
  /** The upstream that made the call's `encrypted_content`: it is preferred while it is available. */
  readonly makerId: string | null;
}

/** Why an upstream is or is not tried for a call. */
export type Standing = 'available' | 'open' | 'cooling_down' | 'trial_running' | 'tripped' | 'at_capacity';

/** A candidate and how it compares with the others. */
export interface RankedCandidate extends Candidate {
  readonly standing: Standing;
  readonly score: number;
}

/** Which upstreams serve a call, in the order in which they are to be tried. */
@Injectable()
export class Routing {
  constructor(
    private readonly directory: UpstreamDirectory,
    private readonly catalog: ModelCatalog,
    private readonly clock: Clock,
  ) {}

  /**
   * The candidates of a call, best first: available ones before those that rest (open circuit, cooling down), then by
   * priority, then by the session's score. Those that are tripped or at capacity are left out. Resting ones are kept as the
   * last resort: one client's poisonous call must not close the only upstream to all others.
   */
  candidates(query: RoutingQuery): readonly RankedCandidate[] {
    const ranked = this.rank(query).filter(({ standing }) => isUsable(standing));
    if (query.makerId === null || ranked[0]?.upstream.id === query.makerId) return ranked;
    const maker = ranked.findIndex(
      ({ upstream, standing }) => upstream.id === query.makerId && standing === 'available',
    );
    return maker === -1 ? ranked : [ranked[maker] as RankedCandidate, ...ranked.toSpliced(maker, 1)];
  }

  /** All upstreams that serve the model, in order, with those that would not be tried at the end. */
  rank({ model, affinity, holderId }: RoutingQuery): readonly RankedCandidate[] {
    const serving = this.serving(model);
    const candidates = holderId === null ? serving : serving.filter(({ upstream }) => upstream.id === holderId);
    const nowMs = this.clock.monotonic();
    // Among one there is nothing to choose.
    const hash = candidates.length > 1 ? hashOf(affinity) : null;
    const ranked = candidates.map(({ upstream, upstreamModel }) => ({
      upstream,
      upstreamModel,
      standing: standingOf(upstream, nowMs),
      score: hash ? affinityScore(hash, upstream.seed, upstream.weight) : 0,
    }));
    return hash ? ranked.toSorted(compare) : ranked;
  }

  /** Whether an upstream would take a call right now; asked again before each further try. */
  isUsable({ upstream }: Candidate): boolean {
    return isUsable(standingOf(upstream, this.clock.monotonic()));
  }

  private serving(requestedModel: string): readonly Candidate[] {
    const model = this.catalog.find(requestedModel);
    const publicName = model?.name ?? requestedModel;
    const all = this.directory.all();
    return model && model.routes.length > 0
      ? all.flatMap((upstream) => {
          const route = model.routes.find(({ upstreamId }) => upstreamId === upstream.id);
          return route ? [{ upstream, upstreamModel: route.upstreamModel ?? publicName }] : [];
        })
      : this.unlimited(all).map((upstream) => ({ upstream, upstreamModel: publicName }));
  }

  private unlimited(upstreams: readonly Upstream[]): readonly Upstream[] {
    const claimed = this.catalog.claimedUpstreams();
    return claimed.size === 0 ? upstreams : upstreams.filter(({ id }) => !claimed.has(id));
  }
}

function standingOf({ health, inFlightMax }: Upstream, nowMs: number): Standing {
  if (health.isTripped) return 'tripped';
  if (health.inFlight >= inFlightMax) return 'at_capacity';
  if (health.isAvailable(nowMs)) return 'available';
  if (health.isCoolingDown(nowMs)) return 'cooling_down';
  return health.circuit(nowMs) === 'open' ? 'open' : 'trial_running';
}

function isUsable(standing: Standing): boolean {
  return standing !== 'tripped' && standing !== 'at_capacity';
}

/** 0: to be tried; 1: only when there is no other; 2: not at all. */
function rankOf(standing: Standing): number {
  if (standing === 'available') return 0;
  return isUsable(standing) ? 1 : 2;
}

function compare(a: RankedCandidate, b: RankedCandidate): number {
  return (
    rankOf(a.standing) - rankOf(b.standing) ||
    a.upstream.priority - b.upstream.priority ||
    b.score - a.score ||
    (a.upstream.id < b.upstream.id ? -1 : 1)
  );
}

function hashOf(affinity: string | null): AffinityHash {
  return affinity === null ? [(Math.random() * 2 ** 32) | 0, (Math.random() * 2 ** 32) | 0] : affinityHash(affinity);
}
