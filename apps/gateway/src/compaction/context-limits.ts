import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { CompactionSupports } from '@app/compaction';
import { ModelCatalog } from '@app/models';
import { readResponseCall, type ResponseCall, withMembers } from '@app/protocol';
import type { Candidate } from '@app/upstreams';
import type { GatewayRequest } from '../http/gateway-request.js';
import { isCodex } from '../responses/affinity.js';
import { AnswerKeeper } from '../responses/answer-keeper.js';
import { beforeAnswer } from './before-answer.js';
import { NobodyWaitsError } from './call-books.js';
import type { ThresholdCall } from './compaction-call.js';
import { CompactionReply } from './compaction-reply.js';
import { Compactions } from './compactions.js';
import { ContextShortener, type ShortenedCall } from './context-shortener.js';
import { ThresholdRun } from './threshold-run.js';

/** Where a client names no threshold: a share of the window, and of a window that is not known. */
const THRESHOLD_SHARE = 0.8;
const WINDOW_TOKENS_DEFAULT = 200_000;
const NO_CONTEXT_MANAGEMENT = [{ name: 'context_management', json: null }];
const NO_HEADERS: readonly string[] = [];

/** An ordinary call that is ready for its upstream. */
export interface ReadyCall {
  readonly call: ResponseCall;
  /** Names and values in turn, for the answer's head. */
  readonly headers: readonly string[];
}

/** Keeps ordinary calls within what their model can read and their client wants: `context_management`, and a group's policy. */
@Injectable()
export class ContextLimits {
  // oxlint-disable-next-line max-params -- every station of the way, by name
  constructor(
    private readonly catalog: ModelCatalog,
    private readonly keeper: AnswerKeeper,
    private readonly supports: CompactionSupports,
    private readonly compactions: Compactions,
    private readonly shortener: ContextShortener,
  ) {}

  /** Whether a call has to be looked at, which almost none has. */
  concerns({ caller }: GatewayRequest, { compactThreshold }: ResponseCall): boolean {
    return compactThreshold !== null || caller.group.isCompactedAutomatically;
  }

  /**
   * null: the call was answered, or its client has left.
   *
   * @throws GatewayError while nothing has been written
   */
  async prepare(
    request: GatewayRequest,
    reply: FastifyReply,
    call: ResponseCall,
    candidates: readonly Candidate[],
  ): Promise<ReadyCall | null> {
    const windowTokens = this.catalog.find(call.model)?.contextWindowTokens ?? null;
    const managed = await this.managed(request, reply, call, candidates);
    if (!managed) return null;
    const isLimited = request.caller.group.isCompactedAutomatically && windowTokens !== null;
    if (!isLimited || !(await this.shortener.exceeds(managed, windowTokens))) {
      return { call: managed, headers: NO_HEADERS };
    }
    const shortened = await this.shortened(request, reply, { call: managed, candidates }, windowTokens);
    if (reply.raw.destroyed) return null;
    if (!shortened) return { call: managed, headers: NO_HEADERS };
    const { note } = shortened;
    request.record.compaction = note;
    const told = `automatic; before=${note.tokensBefore ?? 0}, after=${note.tokensAfter ?? 0}`;
    return { call: shortened.call, headers: ['x-tollgate-compaction', told] };
  }

  /** The call as its upstream can take it; null when it had to be answered here. */
  private async managed(
    request: GatewayRequest,
    reply: FastifyReply,
    call: ResponseCall,
    candidates: readonly Candidate[],
  ): Promise<ResponseCall | null> {
    const [first] = candidates;
    if (call.compactThreshold === null || !first) return call;
    const support = this.supports.of(first.upstream, 'threshold');
    if (support === 'native') return call;
    const tokensMax = call.compactThreshold || this.thresholdFor(call.model);
    if (support !== 'refuse' && (await this.shortener.exceeds(call, tokensMax))) {
      if (!reply.raw.destroyed) await this.answer(request, reply, { request, call, candidates, tokensMax });
      return null;
    }
    // Below the threshold it asks for nothing.
    return withoutContextManagement(call);
  }

  private async answer(
    { record, headers, caller }: GatewayRequest,
    reply: FastifyReply,
    asked: Omit<ThresholdCall, 'plainCall'>,
  ): Promise<void> {
    const options = {
      requestedModel: asked.call.model,
      isStream: record.stream,
      isCodex: isCodex(headers),
      isDrained: caller.group.onClientLeft === 'drain',
    };
    const client = new CompactionReply(record, reply, this.keeper, options);
    const plainCall = withoutContextManagement(asked.call);
    await client.run((signal) =>
      new ThresholdRun(this.compactions, this.shortener, { ...asked, plainCall }, signal).answer(),
    );
  }

  /** null when it cannot be made shorter: the upstream decides on the whole. */
  private async shortened(
    request: GatewayRequest,
    reply: FastifyReply,
    { call, candidates }: { call: ResponseCall; candidates: readonly Candidate[] },
    windowTokens: number,
  ): Promise<ShortenedCall | null> {
    let shortened: ShortenedCall | null = null;
    if (reply.raw.destroyed) return null;
    await beforeAnswer(request, reply, this.keeper, async (signal) => {
      const side = { request, call, candidates, form: 'automatic', signal } as const;
      try {
        shortened = await this.shortener.shortened(side, windowTokens);
      } catch (error) {
        if (error instanceof NobodyWaitsError) throw error;
      }
    });
    return shortened;
  }

  private thresholdFor(model: string): number {
    return (this.catalog.find(model)?.contextWindowTokens ?? WINDOW_TOKENS_DEFAULT) * THRESHOLD_SHARE;
  }
}

function withoutContextManagement(call: ResponseCall): ResponseCall {
  return readResponseCall(withMembers(call.raw, NO_CONTEXT_MANAGEMENT));
}
