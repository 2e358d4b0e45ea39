import { Injectable } from '@nestjs/common';
import { AuditLog, ChangeFeed, PrismaService, type Prisma, type Transaction } from '@app/database';
import { Clock, newId } from '@app/runtime';
import { type ListedPrice, type ListNote, readListedPrice } from './listed-price.js';
import { lockModels } from './lock-models.js';
import type { TokenPrices } from './model-price.js';
import { NEWEST_FIRST, type PriceInput, PriceVersions } from './price-versions.js';
import { tiersOf } from './stored-prices.js';

export interface PriceImportOptions {
  readonly isDryRun: boolean;
  /** Models of the list that are not registered yet are. */
  readonly createsModels: boolean;
  /** Which models are meant, by their names and those of the list. */
  matches(name: string): boolean;
}

/** A price in nano-USD before and after; null: there was none. */
export interface PriceDifference {
  /** Such as `outputPerMillion`. */
  readonly field: keyof TokenPrices;
  /** null: the standard price. */
  readonly tier: string | null;
  readonly before: bigint | null;
  readonly after: bigint | null;
}

/** A model that gets a version of its price. */
export interface ImportedModel {
  readonly modelId: string;
  readonly name: string;
  /** What it is called in the list. */
  readonly listName: string;
  readonly changes: readonly PriceDifference[];
  /** null: it was known before, or the list does not say. */
  readonly contextWindowTokens: number | null;
}

/** What an import did, or would do. */
export interface PriceImportReport {
  readonly created: readonly ImportedModel[];
  readonly updated: readonly ImportedModel[];
  /** Their prices are those of the list. */
  readonly unchanged: readonly string[];
  /** Registered models that the list does not know. */
  readonly notListed: readonly string[];
  readonly leftOut: readonly (ListNote & { readonly listName: string })[];
}

interface Found {
  readonly listName: string;
  readonly listed: ListedPrice;
}

type RegisteredModel = Prisma.ModelGetPayload<{ include: { prices: true } }>;
type Draft = { -readonly [Name in keyof PriceImportReport]: PriceImportReport[Name][number][] };

const PROVIDER = 'openai/';
const NAME = /^[^\s*]{1,256}$/;
/** A list has some thousands of entries. */
const TRANSACTION_MS_MAX = 60_000;
const FIELDS = [
  'inputPerMillion',
  'cachedInputPerMillion',
  'cacheWritePerMillion',
  'outputPerMillion',
  'reasoningPerMillion',
  'perRequest',
] as const;

/** Takes prices over from the public price list (`model_prices_and_context_window.json`): all of them, or none. Audited as one write. */
@Injectable()
export class PriceImport {
  // oxlint-disable-next-line max-params -- what a write needs, by name
  constructor(
    private readonly prisma: PrismaService,
    private readonly audit: AuditLog,
    private readonly feed: ChangeFeed,
    private readonly versions: PriceVersions,
    private readonly clock: Clock,
  ) {}

  async run(
    actor: string,
    list: Readonly<Record<string, unknown>>,
    options: PriceImportOptions,
  ): Promise<PriceImportReport> {
    const report = await this.prisma.$transaction(
      async (tx) => {
        await lockModels(tx);
        const draft: Draft = { created: [], updated: [], unchanged: [], notListed: [], leftOut: [] };
        const taken = await this.update(tx, list, options, draft);
        if (options.createsModels) await this.create(tx, list, options, draft, taken);
        if (!options.isDryRun && draft.created.length + draft.updated.length > 0) {
          const write = { actor, action: 'price.import', objectType: 'price_list', objectId: newId() };
          await this.audit.record(tx, { ...write, before: null, after: { ...draft } });
        }
        return draft;
      },
      { timeout: TRANSACTION_MS_MAX },
    );
    await this.feed.refresh();
    return report;
  }

  /** Gives registered models a version where the list differs; returns every name that leads to one. */
  private async update(
    tx: Transaction,
    list: Readonly<Record<string, unknown>>,
    { isDryRun, matches }: PriceImportOptions,
    draft: Draft,
  ): Promise<ReadonlySet<string>> {
    const inEffect = { effectiveFrom: { lte: new Date(this.clock.now()) } };
    // As an edit of one of them does: the rows first, then the change feed, so that neither waits for the other in turn.
    if (!isDryRun) await tx.$queryRaw`SELECT 1 FROM models ORDER BY id FOR NO KEY UPDATE`;
    const models = await tx.model.findMany({
      orderBy: { name: 'asc' },
      include: { prices: { where: inEffect, orderBy: [...NEWEST_FIRST], take: 1 } },
    });
    for (const model of models) {
      const names = [model.name, ...model.aliases];
      const listName = names.flatMap(listNames).find((name) => Object.hasOwn(list, name));
      if (!names.some(matches) && !(listName !== undefined && matches(listName))) continue;
      if (listName === undefined) draft.notListed.push(model.name);
      else {
        const found = this.read(list, listName, draft);
        if (found) await this.renew(tx, model, found, isDryRun, draft);
      }
    }
    return new Set(models.flatMap(({ name, aliases }) => [name, ...aliases]).flatMap(listNames));
  }

  private read(list: Readonly<Record<string, unknown>>, listName: string, draft: Draft): Found | null {
    const listed = readListedPrice(list[listName]);
    const notes = 'reason' in listed ? [listed] : listed.notes;
    draft.leftOut.push(...notes.map((note) => ({ listName, ...note })));
    return 'reason' in listed ? null : { listName, listed };
  }

  // oxlint-disable-next-line max-params -- one model and what is made of it
  private async renew(
    tx: Transaction,
    model: RegisteredModel,
    { listName, listed }: Found,
    isDryRun: boolean,
    draft: Draft,
  ): Promise<void> {
    const [now] = model.prices;
    const before = now?.priced ? { prices: now, serviceTiers: tiersOf(now) } : null;
    const changes = differences(before, listed);
    const contextWindowTokens = model.contextWindowTokens === null ? listed.contextWindowTokens : null;
    if (changes.length === 0 && contextWindowTokens === null) return void draft.unchanged.push(model.name);
    draft.updated.push({ modelId: model.id, name: model.name, listName, changes, contextWindowTokens });
    if (isDryRun) return;
    if (contextWindowTokens !== null) {
      await tx.model.update({ where: { id: model.id }, data: { contextWindowTokens } });
    }
    if (changes.length > 0) await this.versions.put(tx, model.id, priceInput(listed));
  }

  // oxlint-disable-next-line max-params -- one list and what is made of it
  private async create(
    tx: Transaction,
    list: Readonly<Record<string, unknown>>,
    { isDryRun, matches }: PriceImportOptions,
    draft: Draft,
    taken: ReadonlySet<string>,
  ): Promise<void> {
    for (const name of Object.keys(list)) {
      if (taken.has(name) || !matches(name) || name === 'sample_spec') continue;
      const found = NAME.test(name) ? this.read(list, name, draft) : null;
      if (!NAME.test(name))
        draft.leftOut.push({ listName: name.slice(0, 300), field: null, reason: 'is no model name' });
      if (!found) continue;
      const { listed } = found;
      const { contextWindowTokens } = listed;
      const modelId = newId();
      const changes = differences(null, listed);
      draft.created.push({ modelId, name, listName: name, changes, contextWindowTokens });
      if (isDryRun) continue;
      await tx.model.create({ data: { id: modelId, name, contextWindowTokens, aliases: [] } });
      await this.versions.put(tx, modelId, priceInput(listed));
    }
  }
}

/** What a model may be called in the list. */
function listNames(name: string): string[] {
  return name.startsWith(PROVIDER) ? [name, name.slice(PROVIDER.length)] : [name, PROVIDER + name];
}

function priceInput({ prices, serviceTiers }: ListedPrice): PriceInput {
  return { ...prices, serviceTiers, effectiveFrom: null };
}

type PricesAndTiers = Pick<ListedPrice, 'prices' | 'serviceTiers'>;

function differences(before: PricesAndTiers | null, after: PricesAndTiers): PriceDifference[] {
  const tiers = new Set([...(before?.serviceTiers.keys() ?? []), ...after.serviceTiers.keys()]);
  return [
    ...between(null, before?.prices, after.prices),
    ...[...tiers].flatMap((tier) => between(tier, before?.serviceTiers.get(tier), after.serviceTiers.get(tier))),
  ];
}

function between(tier: string | null, before?: TokenPrices, after?: TokenPrices): PriceDifference[] {
  return FIELDS.map((field) => ({
    field,
    tier,
    before: before?.[field] ?? null,
    after: after?.[field] ?? null,
  })).filter((difference) => difference.before !== difference.after);
}
