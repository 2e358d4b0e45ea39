import { refusals } from './api-error.js';
import { completedItem, inputItems } from './conversation.js';
import type { Exchange } from './exchange.js';
import type { JsonObject } from './json.js';

/** What goes on behind a response that was made in the background. */
export interface Run {
  cancel(): void;
  replay(exchange: Exchange, startingAfter: string | null): Promise<void>;
}

/** A response that is finished or runs in the background, kept for later retrieval. */
export interface StoredResponse {
  json: string;
  request: JsonObject;
  /** null for a response that was not made in the background. */
  run: Run | null;
}

const RESPONSES_MAX = 200;
const PAGE_ITEMS_MAX = 100;
const PAGE_ITEMS = 20;

/** The newest 200 stored responses. */
export class StoredResponses {
  private readonly byId = new Map<string, StoredResponse>();

  /** Keeps a response; the oldest makes room. */
  keep(id: string, stored: StoredResponse): void {
    this.byId.set(id, stored);
    if (this.byId.size <= RESPONSES_MAX) return;
    for (const oldest of this.byId.keys()) {
      this.byId.delete(oldest);
      return;
    }
  }

  /** Whether the id is known. */
  has(id: string): boolean {
    return this.byId.has(id);
  }

  /** Whether an item of any response's input or output has this id. */
  hasItem(id: string): boolean {
    const member = `"id":${JSON.stringify(id)}`;
    return [...this.byId].some(
      ([responseId, { json, request }]) =>
        responseId !== id && (json.includes(member) || inputItems(request).some((item) => item['id'] === id)),
    );
  }

  /** The stored response; an unknown id is refused as OpenAI does. */
  get(id: string): StoredResponse {
    const stored = this.byId.get(id);
    if (!stored) throw refusals.unknownResponse(id);
    return stored;
  }

  /** Deletes a response and returns OpenAI's confirmation. */
  delete(id: string): JsonObject {
    if (!this.byId.delete(id)) throw refusals.unknownResponse(id);
    return { id, object: 'response', deleted: true };
  }

  /** A cancelled response: a background one that is over is returned as it ended, others are refused. */
  cancel(id: string): string {
    const { run } = this.get(id);
    if (!run) throw refusals.notCancellable();
    run.cancel();
    return this.get(id).json;
  }

  /** One page of the request's input items, newest first unless `order=asc`. */
  listInputItems(id: string, query: URLSearchParams): JsonObject {
    const { request } = this.get(id);
    const items = withIds(request);
    if (query.get('order') !== 'asc') items.reverse();
    const start = items.findIndex((item) => item['id'] === query.get('after')) + 1;
    const limit = Math.min(Math.max(1, Number(query.get('limit') ?? PAGE_ITEMS) || PAGE_ITEMS), PAGE_ITEMS_MAX);
    const data = items.slice(start, start + limit);
    return {
      object: 'list',
      data,
      first_id: data[0]?.['id'] ?? null,
      last_id: data.at(-1)?.['id'] ?? null,
      has_more: start + limit < items.length,
    };
  }
}

// Ids are written into the stored request at the first listing, so that pages fit together.
function withIds(request: JsonObject): JsonObject[] {
  const items = inputItems(request).map(completedItem);
  request['input'] = items;
  return [...items];
}
