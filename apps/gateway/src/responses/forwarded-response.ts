import type { IncomingHttpHeaders } from 'node:http';
import { type EncryptedContent, type MemberOverride, type ResponseCall, rewriteCall } from '@app/protocol';
import type { Candidate, ForwardedCall, Upstream } from '@app/upstreams';
import { forwardedHeaders } from './passed-headers.js';
import type { UpstreamKnowledge } from './upstream-knowledge.js';

/** Which of the two routes that make a response a call came by. */
export type CreatingRoute = '/responses' | '/responses/compact';

/** What a compaction does not know; some clients send it all the same (protocol.md §3.1). */
const NOT_FOR_COMPACTION: readonly MemberOverride[] = ['stream', 'store', 'include'].map((name) => ({
  name,
  json: null,
}));
/** Takes the wish for a compaction out of an ordinary call. */
export const NO_CONTEXT_MANAGEMENT: MemberOverride = { name: 'context_management', json: null };
const TURN_STATE = 'x-codex-turn-state';
const NOTHING: readonly EncryptedContent[] = [];

/** A call that makes a response, as each of its candidates gets it. */
export class ForwardedResponse implements ForwardedCall {
  readonly method = 'POST';

  constructor(
    private readonly call: ResponseCall,
    private readonly headers: IncomingHttpHeaders,
    readonly route: CreatingRoute,
    readonly candidates: readonly Candidate[],
    private readonly knowledge: UpstreamKnowledge,
  ) {}

  headersFor(upstream: Upstream): string[] {
    const { headers } = this;
    const isStream = this.streamFor(upstream);
    const list = forwardedHeaders(headers, upstream, { isStream, hasBody: true });
    const maker = this.candidates.length > 1 ? this.knowledge.turnStates.makerOf(headers[TURN_STATE]) : null;
    if (maker === null || maker === upstream.id) return list;
    list.splice(list.indexOf(TURN_STATE), 2);
    return list;
  }

  bodyFor({ upstream, upstreamModel }: Candidate): Buffer {
    const { call, route } = this;
    const isCompaction = route === '/responses/compact';
    return rewriteCall(call, {
      model: upstreamModel,
      storeFalse: upstream.kind === 'codex' && !isCompaction,
      stream: isCompaction ? null : this.streamFor(upstream),
      strip: call.encryptedContents.length === 0 ? NOTHING : this.unreadableFor(upstream),
      overrides: this.overridesFor(upstream),
    });
  }

  private overridesFor(upstream: Upstream): readonly MemberOverride[] {
    const { call, route, knowledge } = this;
    if (route === '/responses/compact') {
      const fitting = upstream.overrides.filter(({ name }) => !NOT_FOR_COMPACTION.some((other) => other.name === name));
      return [...NOT_FOR_COMPACTION, ...fitting];
    }
    if (call.compactThreshold === null) return upstream.overrides;
    const support = knowledge.supports.of(upstream, 'threshold');
    const isTaken = support === 'native' || support === 'unknown';
    return isTaken ? upstream.overrides : [NO_CONTEXT_MANAGEMENT, ...upstream.overrides];
  }

  /** An upstream that can answer in one way only is asked in that way. */
  private streamFor({ streamMode }: Upstream): boolean {
    if (this.route === '/responses/compact') return false;
    return streamMode === 'both' ? this.call.stream : streamMode === 'stream_only';
  }

  private unreadableFor(upstream: Upstream): readonly EncryptedContent[] {
    return this.call.encryptedContents.filter((content) => {
      const maker = this.knowledge.origins.known(content.fingerprint);
      return maker !== null && maker !== upstream.id;
    });
  }
}
