import { Injectable } from '@nestjs/common';
import { Alerts } from '@app/alerts';
import type { AnsweredTurn } from '@app/cache-health';
import type { CacheDrop } from '@app/contract';
import type { RequestRecord } from '@app/journal';
import { Clock } from '@app/runtime';

/** What has to be lost for anybody to be told. */
const LOST_TOKENS_MIN = 10_000;
const HOUR_MS = 3_600_000;

/** Tells operators of sessions that have lost the prompt cache: once an hour for each key, by all replicas together. */
@Injectable()
export class CacheAlerts {
  constructor(
    private readonly alerts: Alerts,
    private readonly clock: Clock,
  ) {}

  /** Looks at what a turn has lost. A compaction is meant to shorten the prompt, and is no alarm. */
  observe(record: RequestRecord, drop: CacheDrop, previous: AnsweredTurn): void {
    const { keyId, keyName, model, upstreamName, publicId } = record;
    const lostTokens = drop.expected_tokens - drop.cached_tokens;
    if (drop.cause === 'compaction' || lostTokens < LOST_TOKENS_MIN || keyId === null) return;
    const name = keyName ?? '';
    const read = `read ${drop.cached_tokens} of ${drop.expected_tokens} expected tokens from the prompt cache`;
    this.alerts.raise({
      type: 'cache.dropped',
      severity: 'warning',
      objectType: 'key',
      objectId: keyId,
      dedupeKey: `cache.dropped:${keyId}:${Math.floor(this.clock.now() / HOUR_MS)}`,
      message: `A session of the key ${name} ${read}: ${reasonOf(drop, record, previous)}.`,
      data: { name, model, upstream: upstreamName, request_id: publicId, ...drop },
    });
  }
}

function reasonOf(drop: CacheDrop, { model, upstreamName }: RequestRecord, previous: AnsweredTurn): string {
  switch (drop.cause) {
    case 'instructions':
      return 'the instructions are not those of the turn before';
    case 'tools':
      return 'the tools are not those of the turn before';
    case 'input':
      return `item ${drop.item_index ?? 0} of the input (${drop.item_type ?? 'of no type'}) is not what it was in the turn before`;
    case 'model':
      return previous.model === model
        ? `the upstream serves another model as ${model ?? 'this'} than before`
        : `the model changed from ${previous.model ?? 'none'} to ${model ?? 'none'}`;
    case 'upstream':
      return `it moved from the upstream ${previous.upstreamName ?? 'before'} to ${upstreamName ?? 'another'}`;
    default:
      return 'instructions, tools and input go on as they were, so the provider has let go of them';
  }
}
