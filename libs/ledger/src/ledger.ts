import { Injectable } from '@nestjs/common';
import type { BalanceOwner } from '@app/contract';
import { AuditLog, ChangeFeed, Prisma, PrismaService, type Transaction } from '@app/database';
import { Clock } from '@app/runtime';
import type { StoredBalance } from './stored-balances.js';

/** A balance as stored, with the name that its owner has now; null when that is deleted. */
export interface BalanceRow {
  /** Of the owner. */
  readonly id: string;
  readonly owner_kind: BalanceOwner['kind'];
  readonly owner_name: string | null;
  readonly opened_at: Date;
  readonly credited_nano_usd: bigint;
  readonly spent_nano_usd: bigint;
}

export type LedgerEntryRow = Prisma.LedgerEntryGetPayload<object>;

/** What an operator enters. */
export interface LedgerInput {
  readonly kind: 'top_up' | 'correction';
  /** A top-up is more than nothing; a correction may be less. */
  readonly amountNanoUsd: bigint;
  readonly reason: string;
  /** The same one a second time is refused. */
  readonly reference: string | null;
}

export interface LedgerFilter {
  readonly kind?: string;
  readonly from?: Date;
  readonly to?: Date;
}

/** A billion dollars: sums stay far from the end of 64 bits. */
const CREDITED_NANO_USD_MAX = 10n ** 18n;

/**
 * What keys and groups have paid in, and each change of it. Operators add to it here; what is used is entered by the statement that
 * writes the rows of the log (`ledgerCharges`). Every write is audited, and in force in this process when its promise resolves.
 */
@Injectable()
export class Ledger {
  constructor(
    private readonly prisma: PrismaService,
    private readonly audit: AuditLog,
    private readonly feed: ChangeFeed,
    private readonly clock: Clock,
  ) {}

  /** All balances, the owners that were made last first; `beforeId` is the last owner of the page before. */
  list(page: { limit: number; beforeId: string | null }): Promise<BalanceRow[]> {
    const before = page.beforeId ? Prisma.sql`WHERE balance.owner_id < ${page.beforeId}::uuid` : Prisma.empty;
    return this.read(Prisma.sql`${before} ORDER BY balance.owner_id DESC LIMIT ${page.limit}`);
  }

  async find(owner: BalanceOwner): Promise<BalanceRow | null> {
    const [row] = await this.read(
      Prisma.sql`WHERE balance.owner_id = ${owner.id}::uuid AND balance.owner_kind = ${owner.kind}`,
    );
    return row ?? null;
  }

  /** Newest first; also of an owner that has no balance any more. `beforeId` is the last entry of the page before. */
  entries(
    owner: BalanceOwner,
    { kind, from, to }: LedgerFilter,
    page: { limit: number; beforeId: string | null },
  ): Promise<LedgerEntryRow[]> {
    const createdAt = { ...(from ? { gte: from } : {}), ...(to ? { lt: to } : {}) };
    return this.prisma.ledgerEntry.findMany({
      where: { ownerId: owner.id, ownerKind: owner.kind, createdAt, ...(kind === undefined ? {} : { kind }) },
      orderBy: { position: 'desc' },
      take: page.limit,
      ...(page.beforeId ? { cursor: { id: page.beforeId }, skip: 1 } : {}),
    });
  }

  /** Whether there is such a key or group, or has been one with a balance. */
  async isKnown({ kind, id }: BalanceOwner): Promise<boolean> {
    const [row] = await this.prisma.$queryRaw<{ known: boolean }[]>(
      Prisma.sql`SELECT EXISTS (SELECT 1 FROM ${tableOf(kind)} WHERE id = ${id}::uuid)
        OR EXISTS (SELECT 1 FROM ledger_entries WHERE owner_id = ${id}::uuid AND owner_kind = ${kind}) AS known`,
    );
    return row?.known === true;
  }

  /** Adds to a balance. The first top-up opens it: from then on the owner's calls need something that is left. */
  async add(
    actor: string,
    owner: BalanceOwner,
    { kind, amountNanoUsd, reason, reference }: LedgerInput,
  ): Promise<LedgerEntryRow | 'no_owner' | 'no_balance' | 'known_reference' | 'too_much'> {
    const added = await this.prisma.$transaction(async (tx) => {
      if (!(await lockOwner(tx, owner))) return 'no_owner';
      const before = await lockedBalance(tx, owner);
      if (!before && kind === 'correction') return 'no_balance';
      if (reference !== null && (await tx.ledgerEntry.count({ where: { ownerId: owner.id, reference } })) > 0)
        return 'known_reference';
      const creditedNanoUsd = (before?.creditedNanoUsd ?? 0n) + amountNanoUsd;
      if (creditedNanoUsd > CREDITED_NANO_USD_MAX) return 'too_much';
      const credit = { creditedNanoUsd, ...(kind === 'top_up' ? { lastTopUpNanoUsd: amountNanoUsd } : {}) };
      const after = await tx.prepaidBalance.upsert({
        where: { ownerId: owner.id },
        create: { ownerId: owner.id, ownerKind: owner.kind, openedAt: new Date(this.clock.now()), ...credit },
        update: credit,
      });
      return this.enter(tx, actor, before, after, { kind, amountNanoUsd, reason, reference });
    });
    await this.feed.refresh();
    return added;
  }

  /** From now on calls need no balance; what is left is entered as given back. null when there is none. */
  async close(actor: string, owner: BalanceOwner): Promise<LedgerEntryRow | null> {
    const closed = await this.prisma.$transaction(async (tx) => {
      await lockOwner(tx, owner);
      const before = await lockedBalance(tx, owner);
      if (!before) return null;
      await tx.prepaidBalance.delete({ where: { ownerId: owner.id } });
      const amountNanoUsd = before.spentNanoUsd - before.creditedNanoUsd;
      return this.enter(tx, actor, before, null, { kind: 'closing', amountNanoUsd, reason: '', reference: null });
    });
    await this.feed.refresh();
    return closed;
  }

  private async enter(
    tx: Transaction,
    actor: string,
    before: StoredBalance | null,
    after: StoredBalance | null,
    entry: Omit<LedgerInput, 'kind'> & { kind: string },
  ): Promise<LedgerEntryRow> {
    const { ownerId, ownerKind } = (after ?? before) as StoredBalance;
    const balanceNanoUsd = after ? after.creditedNanoUsd - after.spentNanoUsd : 0n;
    const entered = await tx.ledgerEntry.create({ data: { ownerId, ownerKind, balanceNanoUsd, actor, ...entry } });
    const action = `balance.${entry.kind}`;
    await this.audit.record(tx, { actor, action, objectType: ownerKind, objectId: ownerId, before, after });
    return entered;
  }

  private read(which: Prisma.Sql): Promise<BalanceRow[]> {
    return this.prisma.$queryRaw<BalanceRow[]>(Prisma.sql`
      SELECT balance.owner_id AS id, balance.owner_kind, balance.opened_at, balance.credited_nano_usd, balance.spent_nano_usd,
        coalesce(key.name, "group".name) AS owner_name
      FROM prepaid_balances balance
      LEFT JOIN api_keys key ON balance.owner_kind = 'key' AND key.id = balance.owner_id
      LEFT JOIN groups "group" ON balance.owner_kind = 'group' AND "group".id = balance.owner_id
      ${which}`);
  }
}

/** First of all, as whoever changes the owner does: so two top-ups come one after the other, the first ones too. False: it is not there. */
async function lockOwner(tx: Transaction, { kind, id }: BalanceOwner): Promise<boolean> {
  const rows = await tx.$queryRaw<unknown[]>(
    Prisma.sql`SELECT 1 FROM ${tableOf(kind)} WHERE id = ${id}::uuid FOR NO KEY UPDATE`,
  );
  return rows.length > 0;
}

function tableOf(kind: BalanceOwner['kind']): Prisma.Sql {
  return Prisma.raw(kind === 'key' ? 'api_keys' : 'groups');
}

async function lockedBalance(tx: Transaction, { kind, id }: BalanceOwner): Promise<StoredBalance | null> {
  await tx.$queryRaw`SELECT 1 FROM prepaid_balances WHERE owner_id = ${id}::uuid FOR UPDATE`;
  return tx.prepaidBalance.findFirst({ where: { ownerId: id, ownerKind: kind } });
}
