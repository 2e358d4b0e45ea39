import { Logger } from '@nestjs/common';
import type { RequestRecord, UsageSource } from '@app/journal';
import type { CallPricing } from '@app/models';
import { errors, type GatewayError, readListedItems, readOutputItems, type ResponseSummary } from '@app/protocol';
import type { StoredId, StoredResponses } from '@app/stored-responses';
import type { AnswerRule } from '../responses/answer-rule.js';
import type { StoredKind } from './stored-route.js';

export interface StoredAnswerContext {
  readonly kind: StoredKind;
  readonly groupId: string;
  readonly id: string;
  readonly held: StoredId;
  readonly pricing: CallPricing;
  readonly record: RequestRecord;
  readonly stored: StoredResponses;
}

const TERMINAL = new Set(['completed', 'failed', 'incomplete', 'cancelled']);

/**
 * What is made of an upstream's answer about a stored response. It costs nothing, but for one case: the usage of a background
 * response is only known at its end, and the first request that sees the end accounts it.
 */
export class StoredAnswer implements AnswerRule {
  private static readonly logger = new Logger(StoredAnswer.name);
  readonly isReplay = true;

  constructor(private readonly context: StoredAnswerContext) {}

  /** What the upstream does not know any more is told in the words for an id that never was. */
  refusal(status: number | null, cause: unknown): GatewayError | null {
    const { kind, groupId, id, stored } = this.context;
    if (status === null) return errors.holderUnavailable(cause);
    if (status !== 404) return null;
    // Only then: an upstream without these routes answers 404, too, and may still go on with the response.
    if (kind === 'delete') stored.forget(groupId, id);
    return errors.responseNotFound(id);
  }

  onCut(): boolean {
    return true;
  }

  onResponseId(): void {
    // It was noted when it was made.
  }

  settle(summary: ResponseSummary, source: UsageSource, body: Buffer | null): void {
    const { kind, groupId, id, held, record, stored } = this.context;
    record.settleFree(summary);
    if (kind === 'delete') return stored.forget(groupId, id);
    if (kind === 'input_items') {
      return stored.noteEchoed(groupId, idsOf(body ? readListedItems(body) : []), held.upstreamId);
    }
    const itemIds = idsOf(body ? readOutputItems(body) : []);
    const { upstreamId, model } = held;
    if (itemIds.length > 0)
      stored.note(groupId, { responseId: null, itemIds, upstreamId, model, isUsagePending: null });
    if (held.isUsagePending !== false && summary.status !== null && TERMINAL.has(summary.status)) {
      record.settling = this.settlePending(summary, source);
    }
  }

  /** A usage that cannot be claimed now stays pending: better counted later, or not, than twice. */
  private async settlePending(summary: ResponseSummary, source: UsageSource): Promise<void> {
    const { groupId, id, pricing, record, stored } = this.context;
    try {
      if (await stored.claimUsage(groupId, id)) record.settle(summary, source, pricing);
    } catch (error) {
      StoredAnswer.logger.warn(`the usage of a background response stays pending: ${String(error)}`);
    }
  }
}

function idsOf(items: readonly { id: string | null }[]): string[] {
  return items.flatMap(({ id }) => (id === null ? [] : [id]));
}
