import { Injectable } from '@nestjs/common';
import { errors, type GatewayError, type ResponseCall } from '@app/protocol';
import { type StoredId, StoredResponses } from '@app/stored-responses';
import { UpstreamDirectory } from '@app/upstreams';

/** An id in a call, and what is said when the caller's group does not own it. */
interface Reference {
  readonly kind: 'response' | 'item';
  readonly id: string;
  readonly notFound: GatewayError;
}

/** More of them in one call would be a way to keep the database busy. */
const ITEM_REFERENCES_MAX = 1_000;

/** Checks every id by which a call refers to what an upstream holds. */
@Injectable()
export class ResponseReferences {
  constructor(
    private readonly stored: StoredResponses,
    private readonly directory: UpstreamDirectory,
  ) {}

  /**
   * The upstream that holds what the call refers to; null when it refers to nothing. Without references, which is every
   * call of Codex, nothing is awaited.
   *
   * @throws GatewayError the same for an id that never was as for one of another group
   */
  holderOf(call: ResponseCall, groupId: string): string | null | Promise<string | null> {
    // Conversations are not made through this gateway, so no group owns one.
    if (call.conversationId !== null) throw errors.conversationNotFound(call.conversationId);
    if (call.previousResponseId === null && call.comparisonResponseId === null && call.itemReferences.length === 0) {
      return null;
    }
    if (call.itemReferences.length > ITEM_REFERENCES_MAX) {
      throw errors.invalidType('input', `a list with at most ${ITEM_REFERENCES_MAX} item references`);
    }
    return this.lookUp(referencesOf(call), groupId);
  }

  private async lookUp(references: readonly Reference[], groupId: string): Promise<string | null> {
    const found = await Promise.all(references.map(({ kind, id }) => this.stored.find(groupId, kind, id)));
    let holder: StoredId | null = null;
    for (const [index, { notFound }] of references.entries()) {
      const held = found[index] ?? null;
      // One upstream cannot know what another holds.
      if (!held || (holder && held.upstreamId !== holder.upstreamId)) throw notFound;
      holder = held;
    }
    if (!holder) return null;
    const { upstreamId } = holder;
    if (this.directory.find(upstreamId)) return upstreamId;
    if (!this.directory.isConfigured(upstreamId)) throw references[0]?.notFound ?? errors.responseNotFound('');
    throw errors.holderUnavailable('the upstream that holds what the call refers to is disabled');
  }
}

function referencesOf({ previousResponseId, comparisonResponseId, itemReferences }: ResponseCall): Reference[] {
  const references: Reference[] = itemReferences.map((id) => ({ kind: 'item', id, notFound: errors.itemNotFound(id) }));
  if (previousResponseId !== null) {
    const notFound = errors.previousResponseNotFound(previousResponseId);
    references.unshift({ kind: 'response', id: previousResponseId, notFound });
  }
  if (comparisonResponseId !== null) {
    const notFound = errors.responseNotFound(comparisonResponseId, 'prompt_cache_options.comparison_response_id');
    references.push({ kind: 'response', id: comparisonResponseId, notFound });
  }
  return references;
}
