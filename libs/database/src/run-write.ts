import type { ChangeFeed } from './change-feed.js';
import type { PrismaService, Transaction } from './prisma.service.js';

/**
 * A write of its own: in a transaction, and in force in this process when the promise resolves. Or one of several in a
 * transaction that is under way: whoever began that puts them into force.
 *
 * @param within null: a write of its own
 */
export async function runWrite<T>(
  prisma: PrismaService,
  feed: ChangeFeed,
  within: Transaction | null,
  write: (tx: Transaction) => Promise<T>,
): Promise<T> {
  if (within) return write(within);
  const result = await prisma.$transaction(write);
  await feed.refresh();
  return result;
}
