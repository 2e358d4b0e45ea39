import type { Prisma, PrismaService } from '@app/database';

/** A balance as stored. */
export type StoredBalance = Prisma.PrepaidBalanceGetPayload<object>;

/** Balances by the ids of their owners. @param ownerIds null: all of that kind */
export async function findBalances(
  prisma: PrismaService,
  ownerKind: 'key' | 'group',
  ownerIds: readonly string[] | null,
): Promise<ReadonlyMap<string, StoredBalance>> {
  const which = ownerIds === null ? {} : { ownerId: { in: [...ownerIds] } };
  const rows = await prisma.prepaidBalance.findMany({ where: { ownerKind, ...which } });
  return new Map(rows.map((row) => [row.ownerId, row]));
}
