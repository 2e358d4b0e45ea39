import { BodyPolicy, type CreateGroup, type Group, toPublicId, type UpdateGroup } from '@app/contract';
import { Prisma } from '@app/database';
import type { GroupInput, GroupRow } from '@app/groups';
import type { StoredWindow } from '@app/limits';
import { formatMultiplier, fromStoredPrices, parseMultiplier, type StoredPrices, toStoredPrices } from '@app/models';
import { given } from './given.js';
import {
  shownLimits,
  shownModelLimits,
  shownWindow,
  type StoredModelLimits,
  toLimitColumns,
  toModelLimits,
  toStoredWindow,
} from './limit-fields.js';
import { shownTokenPrices, toTokenPrices } from './price-fields.js';

/** The service's names for a group that is to be made. */
export function toGroupInput({ name, description, models, ...body }: CreateGroup): GroupInput {
  return { name, description, models, ...toPolicies(body) };
}

/** The same for what a change gives. */
export function toGroupChange({ name, description, models, ...body }: UpdateGroup): Partial<GroupInput> {
  return given({ name, description, models, ...toPolicies(body) });
}

function toPolicies(body: Omit<UpdateGroup, 'name' | 'description' | 'models'>) {
  return given({
    onClientLeft: body.on_client_left,
    encryptedContentOnMove: body.encrypted_content_on_move,
    compactionOutput: body.compaction_output,
    automaticCompaction: body.automatic_compaction,
    modelLimits: body.model_limits?.map(toModelLimits) as Prisma.InputJsonArray | undefined,
    windows: body.windows?.map(toStoredWindow) as Prisma.InputJsonArray | undefined,
    timeZone: body.time_zone,
    limitMessage: body.limit_message,
    queueWaitMs: body.queue_wait_ms,
    priceMultiplier: body.price_multiplier,
    unpricedModels: body.unpriced_models,
    ceilingPrices: toCeiling(body.ceiling_prices),
    bodyPolicy: body.body_policy,
    redact: body.redact,
    ...toLimitColumns(body),
  });
}

function toCeiling(prices: UpdateGroup['ceiling_prices']) {
  if (prices === undefined) return undefined;
  return prices === null ? Prisma.DbNull : ({ ...toStoredPrices(toTokenPrices(prices)) } as Prisma.InputJsonObject);
}

function shownCeiling(stored: StoredPrices | null): Group['ceiling_prices'] {
  return stored && shownTokenPrices(fromStoredPrices(stored));
}

/** A group as the API shows it. */
export function toGroup(row: GroupRow): Group {
  return {
    id: toPublicId('group', row.id),
    name: row.name,
    description: row.description,
    models: row.models.map(({ pattern }) => pattern),
    on_client_left: row.onClientLeft as Group['on_client_left'],
    encrypted_content_on_move: row.encryptedContentOnMove as Group['encrypted_content_on_move'],
    compaction_output: row.compactionOutput as Group['compaction_output'],
    automatic_compaction: row.automaticCompaction,
    ...shownLimits(row),
    model_limits: (row.modelLimits as unknown as StoredModelLimits[]).map(shownModelLimits),
    windows: (row.windows as unknown as StoredWindow[]).map(shownWindow),
    time_zone: row.timeZone,
    limit_message: row.limitMessage,
    queue_wait_ms: row.queueWaitMs,
    price_multiplier: formatMultiplier(parseMultiplier(row.priceMultiplier.toFixed(4)) ?? 0n),
    unpriced_models: row.unpricedModels as Group['unpriced_models'],
    ceiling_prices: shownCeiling(row.ceilingPrices as unknown as StoredPrices | null),
    body_policy: BodyPolicy.parse(row.bodyPolicy),
    redact: row.redact as Group['redact'],
    managed_by: row.managedBy as Group['managed_by'],
    key_count: row._count.keys,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}
