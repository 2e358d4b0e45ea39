import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { CompactionSeal, CompactionSettings, CompactionSupports } from '@app/compaction';
import { ModelCatalog } from '@app/models';
import { errors } from '@app/protocol';
import { EncryptedContentOrigins } from '@app/stored-responses';
import { Routing } from '@app/upstreams';
import { isCodex } from '../responses/affinity.js';
import { AnswerKeeper } from '../responses/answer-keeper.js';
import { CreatedResponses } from '../responses/created-response.js';
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
    readonly origins: EncryptedContentOrigins,
    readonly created: CreatedResponses,
    readonly keeper: AnswerKeeper,
    readonly seal: CompactionSeal,
    readonly settings: CompactionSettings,
    readonly supports: CompactionSupports,
    readonly lost: LostCompactions,
  ) {}

  /**
   * Resolves when the answer is written, or the client has left.
   *
   * @throws GatewayError while nothing has been written
   */
  async answer(asked: CompactionCall, reply: FastifyReply): Promise<void> {
    const { request, call, form } = asked;
    const { record, caller, headers } = request;
    const willing = asked.candidates.filter(({ upstream }) => this.supports.of(upstream, form) !== 'refuse');
    if (willing.length === 0) throw errors.compactionRefused(call.model);
    const options = {
      requestedModel: call.model,
      isStream: record.stream,
      isCodex: isCodex(headers),
      isDrained: caller.group.onClientLeft === 'drain',
    };
    const client = new CompactionReply(record, reply, this.keeper, options);
    await client.run((signal) => new CompactionRun(this, { ...asked, candidates: willing }, signal).answer());
  }
}
