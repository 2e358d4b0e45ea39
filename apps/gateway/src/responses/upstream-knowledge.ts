import { Injectable } from '@nestjs/common';
import { CompactionSupports } from '@app/compaction';
import { EncryptedContentOrigins } from '@app/stored-responses';
import { AnswerKeeper } from './answer-keeper.js';
import type { TurnStates } from './turn-states.js';

/** What is known of upstreams: who made what only its maker understands, and who knows compaction. */
@Injectable()
export class UpstreamKnowledge {
  readonly turnStates: TurnStates;

  constructor(
    readonly origins: EncryptedContentOrigins,
    readonly supports: CompactionSupports,
    keeper: AnswerKeeper,
  ) {
    this.turnStates = keeper.turnStates;
  }
}
