import type { FastifyReply } from 'fastify';
import type { GatewayRequest } from '../http/gateway-request.js';
import type { AnswerKeeper } from '../responses/answer-keeper.js';
import { NobodyWaitsError } from './call-books.js';
import { CompactionReply } from './compaction-reply.js';

/**
 * Does what has to be done before a call can go to its upstream, as long as its client waits for it. When it has left
 * meanwhile, `reply.raw.destroyed` tells.
 */
export async function beforeAnswer(
  { record }: GatewayRequest,
  reply: FastifyReply,
  keeper: AnswerKeeper,
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const requestedModel = record.model ?? '';
  // Nothing is written yet: whoever answers afterwards is to find the stream as it was.
  const options = { requestedModel, isStream: false, isCodex: false, isDrained: false };
  await new CompactionReply(record, reply, keeper, options).run(async (signal) => {
    try {
      await work(signal);
    } catch (error) {
      if (!(error instanceof NobodyWaitsError)) throw error;
    }
    return null;
  });
}
