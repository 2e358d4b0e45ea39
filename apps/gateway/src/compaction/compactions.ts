import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { CompactionSeal, CompactionSettings } from '@app/compaction';
import { ModelCatalog } from '@app/models';
import { errors, type ResponseCall } from '@app/protocol';
import { Routing } from '@app/upstreams';
import type { GatewayRequest } from '../http/gateway-request.js';
import { isCodex } from '../responses/affinity.js';
import { AnswerKeeper } from '../responses/answer-keeper.js';
import { CreatedResponses } from '../responses/created-response.js';
import { UpstreamKnowledge } from '../responses/upstream-knowledge.js';
import { type CompactionCall, type CompactionTools } from './compaction-call.js';
import { CompactionReply } from './compaction-reply.js';
import { LostCompactions } from './lost-compactions.js';
import { CompactionRun } from './compaction-run.js';

/** Compacts conversations: by upstreams that know how, else by having the session's own model write a summary. */
@Injectable()
export class Compactions implements CompactionTools {
  // oxlint-disable-next-line max-params -- every station of the way, by name
  constructor(
    readonly catalog: ModelCatalog,
    readonly routing: Routing,
    readonly knowledge: UpstreamKnowledge,
    readonly created: CreatedResponses,
    readonly keeper: AnswerKeeper,
    readonly seal: CompactionSeal,
    readonly settings: CompactionSettings,
    readonly lost: LostCompactions,
  ) {}

  /**
   * Resolves when the answer is written, or the client has left.
   *
   * @throws GatewayError while nothing has been written
   */
  async answer(asked: CompactionCall, reply: FastifyReply): Promise<void> {
    const { request, call, form } = asked;
    const willing = asked.candidates.filter(({ upstream }) => this.knowledge.supports.of(upstream, form) !== 'refuse');
    if (willing.length === 0) throw errors.compactionRefused(call.model);
    const client = this.replyTo(request, call, reply);
    await client.run((signal) => new CompactionRun(this, { ...asked, candidates: willing }, signal).answer());
  }

  /** Where the client of a call gets an answer that is held until it is whole. */
  replyTo({ record, headers, caller }: GatewayRequest, { model }: ResponseCall, reply: FastifyReply): CompactionReply {
    const options = {
      requestedModel: model,
      isStream: record.stream,
      isCodex: isCodex(headers),
      isDrained: caller.group.onClientLeft === 'drain',
    };
    return new CompactionReply(record, reply, this.keeper, options);
  }
}
