import { Body, HttpCode, Post } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { Repriced, RepriceRequests, toPublicId } from '@app/contract';
import { type RepricedKey, Repricing } from '@app/journal';
import { formatUsd } from '@app/models';
import { newId } from '@app/runtime';
import { Permit } from '../identity/permissions.js';
import { Actor } from '../identity/principal.js';
import { AdminController } from './admin.decorators.js';
import { given } from './given.js';

/** Prices rows of the past again. */
@AdminController('requests/reprice')
export class RepricingController {
  constructor(private readonly repricing: Repricing) {}

  @Post()
  @Permit('models:write')
  @HttpCode(200)
  @ApiOperation({ summary: 'Price the requests of a time again, by the versions in effect then; totals follow' })
  @ApiOkResponse({ standardSchema: Repriced })
  async reprice(@Actor() actor: string, @Body({ schema: RepriceRequests }) body: RepriceRequests): Promise<Repriced> {
    const { from, to, model, group_id: groupId, key_id: keyId, dry_run: isDryRun } = body;
    const range = { from: new Date(from), to: new Date(to), ...given({ model, groupId, keyId }) };
    const options = { multiplier: body.price_multiplier, isDryRun };
    const keys = byKey(await this.repricing.run(actor, newId(), range, options));
    return {
      dry_run: isDryRun,
      ...shown(summed(keys)),
      keys: keys
        .filter(({ changed }) => changed > 0n)
        .map((key) => ({ key_id: key.key_id && toPublicId('key', key.key_id), key_name: key.key_name, ...shown(key) })),
    };
  }
}

type Sums = Pick<RepricedKey, 'rows' | 'changed' | 'old_nano_usd' | 'new_nano_usd'>;

/** A key may have moved from one group to another. */
function byKey(repriced: readonly RepricedKey[]): (Sums & Pick<RepricedKey, 'key_id' | 'key_name'>)[] {
  const keys = new Map<string | null, RepricedKey[]>();
  for (const one of repriced) keys.set(one.key_id, [...(keys.get(one.key_id) ?? []), one]);
  return [...keys].map(([id, ofKey]) => ({ key_id: id, key_name: ofKey.at(-1)?.key_name ?? null, ...summed(ofKey) }));
}

function summed(all: readonly Sums[]): Sums {
  const sum = (name: keyof Sums) => all.reduce((total, one) => total + one[name], 0n);
  return {
    rows: sum('rows'),
    changed: sum('changed'),
    old_nano_usd: sum('old_nano_usd'),
    new_nano_usd: sum('new_nano_usd'),
  };
}

function shown({ rows, changed, old_nano_usd: before, new_nano_usd: after }: Sums) {
  return {
    rows: Number(rows),
    changed: Number(changed),
    old_cost_usd: formatUsd(before),
    new_cost_usd: formatUsd(after),
    difference_usd: formatUsd(after - before),
  };
}
