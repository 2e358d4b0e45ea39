import type { FastifyReply } from 'fastify';
import type { GatewayRequest } from '../http/gateway-request.js';
import { isCodex } from '../responses/affinity.js';
import type { AnswerKeeper } from '../responses/answer-keeper.js';
import { NobodyWaitsError } from './call-books.js';
import { CompactionReply } from './compaction-reply.js';

/**
 * Does what has to be done before a call can go to its upstream, as long as its client waits for it. When it has left
 * meanwhile, `reply.raw.destroyed` tells.
 *
 * @param options isStream: the stream may be opened to keep it; then whoever answers goes on with it, and cannot refuse any more
 */
export async function beforeAnswer(
  { record, headers }: GatewayRequest,
  reply: FastifyReply,
  keeper: AnswerKeeper,
  { isStream }: { readonly isStream: boolean },
  work: (signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const requestedModel = record.model ?? '';
  const options = { requestedModel, isStream, isCodex: isCodex(headers), isDrained: false };
  await new CompactionReply(record, reply, keeper, options).run(async (signal) => {
    try {
      await work(signal);
    } catch (error) {
      if (!(error instanceof NobodyWaitsError)) throw error;
    }
    return null;
  });
}
