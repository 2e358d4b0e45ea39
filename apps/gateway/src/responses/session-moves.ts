import type { IncomingHttpHeaders } from 'node:http';
import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { EncryptedContent, ResponseCall } from '@app/protocol';
import { EncryptedContentOrigins } from '@app/stored-responses';
import type { RankedCandidate } from '@app/upstreams';
import { isCompaction, LostCompactions } from '../compaction/lost-compactions.js';
import { beforeAnswer } from '../compaction/before-answer.js';
import type { GatewayRequest } from '../http/gateway-request.js';
import { AnswerKeeper } from './answer-keeper.js';

/** A call, and those who can answer it. */
export interface PlacedCall {
  readonly call: ResponseCall;
  /** In the order in which they are to be tried; empty: nobody can. */
  readonly candidates: readonly RankedCandidate[];
}

/** Where a session can go that carries what only its maker can read: blobs of reasoning, compactions, a turn's state. */
@Injectable()
export class SessionMoves {
  constructor(
    private readonly origins: EncryptedContentOrigins,
    private readonly keeper: AnswerKeeper,
    private readonly lost: LostCompactions,
  ) {}

  /** The upstream that made what the call carries: the newest content, else the turn's state. null when it is not known. */
  makerOf(call: ResponseCall, headers: IncomingHttpHeaders): string | null | Promise<string | null> {
    const newest = call.encryptedContents.at(-1);
    return newest
      ? this.origins.find(newest.fingerprint)
      : this.keeper.turnStates.makerOf(headers['x-codex-turn-state']);
  }

  /**
   * Places a call by its group's policy. While one of those that can read all of it is well, it stays with them. When they are
   * lost, blobs of reasoning are left out for the others, and a compaction is told to them in words.
   */
  async place(request: GatewayRequest, reply: FastifyReply, { call, candidates }: PlacedCall): Promise<PlacedCall> {
    const mayStrip = request.caller.group.encryptedContentOnMove === 'strip';
    const binding = call.encryptedContents.filter(({ itemType }) => !mayStrip || itemType !== 'reasoning');
    // Those of an older process are known to the database only; there are few of them in a call.
    await Promise.all(binding.filter(isCompaction).map(({ fingerprint }) => this.origins.find(fingerprint)));
    const readers = candidates.filter(({ upstream }) => binding.every((content) => this.mayRead(upstream.id, content)));
    const others = candidates.filter((candidate) => isWell(candidate) && !readers.includes(candidate));
    const isLost = !readers.some(isWell) && others.length > 0;
    const compactions = binding.filter(isCompaction);
    if (!mayStrip || !isLost || compactions.length < binding.length) return { call, candidates: readers };
    const placed = { call, candidates };
    await beforeAnswer(request, reply, this.keeper, { isStream: request.record.stream }, async (signal) => {
      const asked = { request, call, candidates: others, form: 'automatic', signal } as const;
      placed.call = await this.lost.replaced(asked, compactions);
    });
    return placed;
  }

  private mayRead(upstreamId: string, { fingerprint }: EncryptedContent): boolean {
    const maker = this.origins.known(fingerprint);
    return maker === null || maker === upstreamId;
  }
}

function isWell({ standing }: RankedCandidate): boolean {
  return standing === 'available';
}
