import { Injectable, Logger } from '@nestjs/common';
import { AuditLog, Prisma, PrismaService } from '@app/database';
import { ledgerCharges } from '@app/ledger';
import { repricedTotals } from './usage-totals.js';

/** Which rows are priced again. */
export interface RepricedRange {
  /** Started at or after. */
  readonly from: Date;
  /** Started before. */
  readonly to: Date;
  /** By any of its names. */
  readonly model?: string;
  readonly groupId?: string;
  readonly keyId?: string;
}

export interface RepricingOptions {
  /** `row`: each row keeps the multiplier it was priced with; `group`: it gets that which its group has now. */
  readonly multiplier: 'row' | 'group';
  readonly isDryRun: boolean;
}

/** Rows of one key of one group, before and after. */
export interface RepricedKey {
  readonly key_id: string | null;
  readonly key_name: string | null;
  readonly group_id: string | null;
  readonly rows: bigint;
  readonly changed: bigint;
  readonly old_nano_usd: bigint;
  readonly new_nano_usd: bigint;
}

/** Costs of the past that have changed, key by key. */
export interface CostChange {
  readonly from: Date;
  readonly to: Date;
  readonly keys: readonly RepricedKey[];
}

/** Millions of rows take minutes. */
const STATEMENT_MS_MAX = 1_800_000;

/**
 * Prices rows of the log again, by the version that was in effect when each began. The totals and prepaid balances change by the same
 * difference, in the same transaction; rows that come in meanwhile are not touched.
 */
@Injectable()
export class Repricing {
  private readonly logger = new Logger(Repricing.name);
  private readonly listeners: ((change: CostChange) => void)[] = [];

  constructor(
    private readonly prisma: PrismaService,
    private readonly audit: AuditLog,
  ) {}

  /** Calls whenever costs of the past have changed in the database; a listener's failure is logged. */
  onCostsChanged(listener: (change: CostChange) => void): void {
    this.listeners.push(listener);
  }

  /** All rows in the range that have a usage, by their keys. */
  async run(
    actor: string,
    auditId: string,
    range: RepricedRange,
    options: RepricingOptions,
  ): Promise<readonly RepricedKey[]> {
    const keys = await this.prisma.$transaction(
      async (tx) => {
        await tx.$executeRawUnsafe(`SET LOCAL statement_timeout = ${STATEMENT_MS_MAX}`);
        // A row that two of them change at once would be counted twice.
        await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('reprice_request_log'))`;
        const repriced = await tx.$queryRaw<RepricedKey[]>(statement(range, options));
        if (!options.isDryRun) {
          const changed = repriced.filter((key) => key.changed > 0n);
          const summary = { ...range, multiplier: options.multiplier, keys: changed };
          const write = { actor, action: 'request.reprice', objectType: 'request_log', objectId: auditId };
          await this.audit.record(tx, { ...write, before: null, after: summary });
        }
        return repriced;
      },
      { timeout: STATEMENT_MS_MAX, maxWait: 10_000 },
    );
    if (!options.isDryRun) this.tell({ from: range.from, to: range.to, keys: keys.filter((key) => key.changed > 0n) });
    return keys;
  }

  private tell(change: CostChange): void {
    if (change.keys.length === 0) return;
    for (const listener of this.listeners) {
      try {
        listener(change);
      } catch (error) {
        this.logger.error(`whoever was told of changed costs failed: ${String(error)}`);
      }
    }
  }
}

/** Rows that cost something else than before: what totals and balances change by. */
const CHANGED = '(SELECT * FROM priced WHERE coalesce(new_cost, 0) <> coalesce(cost, 0)) changed';

/**
 * One statement over all rows, which PostgreSQL works off by itself. `costOf` is costNanoUsd of libs/models in SQL: whole numbers
 * that are never negative, so that `div` rounds down as BigInt does.
 */
function statement(range: RepricedRange, { multiplier, isDryRun }: RepricingOptions): Prisma.Sql {
  const multiplierColumn =
    multiplier === 'row'
      ? Prisma.sql`coalesce(request.price_multiplier, 1)`
      : Prisma.sql`coalesce(owner.price_multiplier, request.price_multiplier, 1)`;
  const updates = Prisma.sql`
    , updated AS (
      UPDATE request_log AS request
      SET cost_nano_usd = priced.new_cost, base_cost_nano_usd = priced.new_base, price_id = priced.new_price_id,
        price_multiplier = priced.multiplier, settlement = priced.new_settlement
      FROM priced
      WHERE request.started_at = priced.started_at AND request.id = priced.id AND priced.is_changed
    ), ${Prisma.raw(repricedTotals(CHANGED))},
    ${Prisma.raw(ledgerCharges('repricing', CHANGED, 'coalesce(new_cost, 0) - coalesce(cost, 0)'))}`;
  return Prisma.sql`
    WITH names AS (
      SELECT name AS called, id AS model_id FROM models
      UNION SELECT unnest(aliases), id FROM models
    ), found AS (
      SELECT request.id, request.started_at, request.key_id, request.key_name, request.group_id, request.model,
        request.upstream_id, request.outcome, request.error_code, request.client, request.service_tier,
        request.settlement, request.usage_source, request.price_id, request.price_multiplier,
        coalesce(request.base_cost_nano_usd, request.cost_nano_usd) AS base, request.cost_nano_usd AS cost,
        coalesce(request.priced_calls, 1) AS calls, ${multiplierColumn} AS multiplier,
        request.input_tokens::numeric AS input, least(request.cached_tokens, request.input_tokens)::numeric AS cached,
        least(request.cache_write_tokens, request.input_tokens - least(request.cached_tokens, request.input_tokens))::numeric
          AS written,
        request.output_tokens::numeric AS output, least(request.reasoning_tokens, request.output_tokens)::numeric AS reasoning,
        names.model_id, version.id AS version_id, version.priced,
        coalesce((tier.own->>'input_per_million')::bigint, version.input_per_million) AS input_price,
        coalesce((tier.own->>'cached_input_per_million')::bigint, version.cached_input_per_million) AS cached_price,
        coalesce((tier.own->>'cache_write_per_million')::bigint, version.cache_write_per_million) AS written_price,
        coalesce((tier.own->>'output_per_million')::bigint, version.output_per_million) AS output_price,
        coalesce((tier.own->>'reasoning_per_million')::bigint, version.reasoning_per_million) AS reasoning_price,
        coalesce((tier.own->>'per_request')::bigint, version.per_request) AS call_price
      FROM request_log request
      LEFT JOIN names ON names.called = request.model
      LEFT JOIN groups owner ON owner.id = request.group_id
      LEFT JOIN LATERAL (
        SELECT price.* FROM model_prices price
        WHERE price.model_id = names.model_id AND price.effective_from <= request.started_at
        ORDER BY price.effective_from DESC, price.id DESC LIMIT 1
      ) version ON true
      LEFT JOIN LATERAL (SELECT version.service_tiers->request.service_tier AS own) tier ON true
      WHERE ${Prisma.join(conditionsOf(range), ' AND ')}
    ), based AS (
      SELECT found.*, CASE
        WHEN priced THEN div((input - cached - written) * input_price + cached * cached_price + written * written_price
          + (output - reasoning) * output_price + reasoning * reasoning_price + 500000, 1000000) + calls::numeric * call_price
        -- A price that ended, or never was; a ceiling stays, and so does what a model cost that is not there any more.
        WHEN model_id IS NOT NULL AND price_id IS NOT NULL THEN NULL
        ELSE base
      END::bigint AS new_base,
      CASE WHEN priced THEN version_id WHEN model_id IS NULL THEN price_id END AS new_price_id
      FROM found
    ), costed AS (
      SELECT based.*, div(new_base * (multiplier * 10000) + 5000, 10000)::bigint AS new_cost,
        CASE
          WHEN settlement = 'estimated' THEN settlement
          WHEN new_price_id IS NOT NULL THEN 'final'
          WHEN model_id IS NULL THEN settlement
          ELSE 'unpriced'
        END AS new_settlement
      FROM based
    ), priced AS MATERIALIZED (
      SELECT costed.*, (new_cost IS DISTINCT FROM cost OR new_base IS DISTINCT FROM base
        OR new_price_id IS DISTINCT FROM price_id OR new_settlement <> settlement
        OR multiplier <> coalesce(price_multiplier, 1)) AS is_changed
      FROM costed
    )${isDryRun ? Prisma.empty : updates}
    SELECT key_id, max(key_name) AS key_name, group_id, count(*) AS rows, count(*) FILTER (WHERE is_changed) AS changed,
      coalesce(sum(cost), 0)::bigint AS old_nano_usd, coalesce(sum(new_cost), 0)::bigint AS new_nano_usd
    FROM priced GROUP BY key_id, group_id ORDER BY key_id, group_id`;
}

function conditionsOf({ from, to, model, groupId, keyId }: RepricedRange): Prisma.Sql[] {
  return [
    Prisma.sql`request.started_at >= ${from} AND request.started_at < ${to}`,
    // Nothing else has used anything that could be priced.
    Prisma.sql`request.usage_source <> 'none' AND request.input_tokens IS NOT NULL`,
    ...(model === undefined
      ? []
      : [
          Prisma.sql`(request.model = ${model}
            OR names.model_id = (SELECT named.model_id FROM names named WHERE named.called = ${model}))`,
        ]),
    ...(groupId === undefined ? [] : [Prisma.sql`request.group_id = ${groupId}::uuid`]),
    ...(keyId === undefined ? [] : [Prisma.sql`request.key_id = ${keyId}::uuid`]),
  ];
}
