import { Injectable } from '@nestjs/common';
import type { RequestRecord, UsageSource } from '@app/journal';
import type { CallPricing } from '@app/models';
import { encryptedContentFingerprint, readOutputItems, type ResponseCall, type ResponseSummary } from '@app/protocol';
import { EncryptedContentOrigins, StoredResponses } from '@app/stored-responses';
import { UpstreamDirectory } from '@app/upstreams';
import type { AnswerRule } from './answer-rule.js';

const SEALED = '"encrypted_content"';
const RUNNING = new Set(['queued', 'in_progress']);

/** Makes the rule for a new response of a group. */
@Injectable()
export class CreatedResponses {
  constructor(
    readonly stored: StoredResponses,
    readonly origins: EncryptedContentOrigins,
    readonly directory: UpstreamDirectory,
  ) {}

  rule(creation: Creation): AnswerRule {
    return new CreatedResponse(this, creation);
  }
}

/** A response that is about to be made. */
export interface Creation {
  readonly groupId: string;
  readonly call: ResponseCall;
  readonly pricing: CallPricing;
  readonly record: RequestRecord;
  /** Whether the upstream keeps the response when it is not told otherwise. */
  readonly isStorable: boolean;
}

/** Makes a new response its group's own, before the client learns its id, and notes who made what only its maker can read. */
class CreatedResponse implements AnswerRule {
  readonly isReplay = false;

  constructor(
    private readonly all: CreatedResponses,
    private readonly creation: Creation,
  ) {}

  refusal(): null {
    return null;
  }

  onResponseId(id: string): void {
    // What runs in the background can be asked for at once; everything else is there when it is finished.
    if (this.creation.call.background) this.note(id, [], null);
  }

  settle(summary: ResponseSummary, source: UsageSource, body: Buffer | null): void {
    const { record, pricing } = this.creation;
    record.settle(summary, source, pricing);
    // Most answers are neither kept nor sealed: their items need not be looked for.
    const isTelling = body !== null && (this.isKept() || body.includes(SEALED));
    const items = isTelling ? readOutputItems(body) : [];
    const itemIds = items.flatMap(({ id }) => (id === null ? [] : [id]));
    this.note(record.responseId, itemIds, summary.status !== null && RUNNING.has(summary.status));
    const sealed = items.flatMap(({ encryptedContent }) =>
      encryptedContent ? [encryptedContentFingerprint(encryptedContent)] : [],
    );
    if (sealed.length > 0 && record.upstreamId !== null) this.all.origins.note(sealed, record.upstreamId);
  }

  /** A background response goes on without its first reader: its usage is left to the one who sees its end. */
  onCut(): boolean {
    const { record, call } = this.creation;
    if (!call.background || record.responseId === null) return false;
    this.note(record.responseId, [], true);
    return true;
  }

  /** Whether the upstream keeps the response. */
  private isKept(): boolean {
    const { call, record, isStorable } = this.creation;
    return isStorable && call.store && this.all.directory.find(record.upstreamId ?? '')?.kind !== 'codex';
  }

  private note(responseId: string | null, itemIds: readonly string[], isUsagePending: boolean | null): void {
    const { groupId, record } = this.creation;
    const { upstreamId, model } = record;
    if (!this.isKept() || upstreamId === null) return;
    this.all.stored.note(groupId, { responseId, itemIds, upstreamId, model, isUsagePending });
  }
}
