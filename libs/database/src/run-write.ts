import type { ChangeFeed } from './change-feed.js';
import type { PrismaService, Transaction } from './prisma.service.js';

/** Whether PostgreSQL has ended a transaction because it and another one waited for each other: it can be tried again. */
export function isDeadlock(error: unknown): boolean {
  const { code, meta } = error as {
    code?: string;
    meta?: { code?: string; driverAdapterError?: { cause?: { originalCode?: string } } };
  };
  const told = meta?.code ?? meta?.driverAdapterError?.cause?.originalCode;
  return code === 'P2034' || code === '40P01' || told === '40P01';
}

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
