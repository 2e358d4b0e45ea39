import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { CompactionSupports } from '@app/compaction';
import { ModelCatalog } from '@app/models';
import { readResponseCall, type ResponseCall, withMembers } from '@app/protocol';
import type { Candidate } from '@app/upstreams';
import type { GatewayRequest } from '../http/gateway-request.js';
import { AnswerKeeper } from '../responses/answer-keeper.js';
import { NO_CONTEXT_MANAGEMENT } from '../responses/forwarded-response.js';
import { beforeAnswer } from './before-answer.js';
import { NobodyWaitsError } from './call-books.js';
import { Compactions } from './compactions.js';
import { ContextShortener, type ShortenedCall } from './context-shortener.js';
import { WINDOW_TOKENS_DEFAULT } from './summarizer.js';
import { ThresholdRun } from './threshold-run.js';

/** Where a client names no threshold: a share of the window, and of a window that is not known. */
const THRESHOLD_SHARE = 0.8;

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
   * The call as it is to go out; null: it was answered, or its client has left.
   *
   * @throws GatewayError while nothing has been written
   */
  async prepare(
    request: GatewayRequest,
    reply: FastifyReply,
    call: ResponseCall,
    candidates: readonly Candidate[],
  ): Promise<ResponseCall | null> {
    const threshold = this.thresholdOf(call, candidates);
    if (threshold !== null && (await this.exceeds(request, reply, call, threshold.tokensMax))) {
      if (reply.raw.destroyed) return null;
      const plainCall = withoutContextManagement(call);
      const asked = { request, call, plainCall, candidates, tokensMax: threshold.tokensMax };
      const client = this.compactions.replyTo(request, call, reply);
      await client.run((signal) => new ThresholdRun(this.compactions, this.shortener, asked, signal).answer());
      return null;
    }
    if (reply.raw.destroyed) return null;
    // Below the threshold it asks for nothing.
    const managed = threshold === null ? call : withoutContextManagement(call);
    const windowTokens = this.catalog.find(call.model)?.contextWindowTokens ?? null;
    const isLimited = request.caller.group.isCompactedAutomatically && windowTokens !== null;
    if (!isLimited || !this.shortener.mayExceed(managed, windowTokens)) return managed;
    const shortened = await this.shortened(request, reply, { call: managed, candidates }, windowTokens);
    if (reply.raw.destroyed) return null;
    if (!shortened) return managed;
    const { note } = shortened;
    request.record.compaction = note;
    const told = `automatic; before=${note.tokensBefore ?? 0}, after=${note.tokensAfter ?? 0}`;
    const { record } = request;
    record.answerHeaders = [...record.answerHeaders, 'x-tollgate-compaction', told];
    return shortened.call;
  }

  /** The threshold that a call has to be held against here; null: it has none, or its upstream sees to that. */
  private thresholdOf(call: ResponseCall, [first]: readonly Candidate[]): { tokensMax: number } | null {
    if (call.compactThreshold === null || !first) return null;
    const support = this.supports.of(first.upstream, 'threshold');
    if (support === 'native') return null;
    if (support === 'refuse') return { tokensMax: Infinity };
    const window = this.catalog.find(call.model)?.contextWindowTokens ?? WINDOW_TOKENS_DEFAULT;
    return { tokensMax: call.compactThreshold || window * THRESHOLD_SHARE };
  }

  /** The body is read while it is counted: the request stays open for as long. */
  private async exceeds(request: GatewayRequest, reply: FastifyReply, call: ResponseCall, tokensMax: number) {
    if (!this.shortener.mayExceed(call, tokensMax)) return false;
    let exceeds = false;
    await beforeAnswer(request, reply, this.keeper, { isStream: request.record.stream }, async () => {
      exceeds = await this.shortener.exceeds(call, tokensMax);
    });
    return exceeds;
  }

  /** null when it cannot be made shorter: the upstream decides on the whole. */
  private async shortened(
    request: GatewayRequest,
    reply: FastifyReply,
    { call, candidates }: { call: ResponseCall; candidates: readonly Candidate[] },
    windowTokens: number,
  ): Promise<ShortenedCall | null> {
    let shortened: ShortenedCall | null = null;
    await beforeAnswer(request, reply, this.keeper, { isStream: request.record.stream }, async (signal) => {
      if (!(await this.shortener.exceeds(call, windowTokens))) return;
      const side = { request, call, candidates, form: 'automatic', signal } as const;
      try {
        shortened = await this.shortener.shortened(side, windowTokens);
      } catch (error) {
        if (error instanceof NobodyWaitsError) throw error;
      }
    });
    return shortened;
  }
}

function withoutContextManagement(call: ResponseCall): ResponseCall {
  return readResponseCall(withMembers(call.raw, [NO_CONTEXT_MANAGEMENT]));
}
