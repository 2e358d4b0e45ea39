import { Prisma } from './generated/client.js';
import type { Transaction } from './prisma.service.js';

/** The versions of a row that a write may be based on; null: whichever it has. */
export type SeenVersions = readonly number[] | null;

/** Tables whose rows have a version. */
export type VersionedTable = 'api_keys' | 'groups' | 'models' | 'upstreams' | 'webhooks';

/** A write was based on what is not there any more: nothing is changed by it. */
export class StaleVersionError extends Error {
  constructor() {
    super('what is to be changed was changed meanwhile');
  }
}

/**
 * Holds a row against other edits until the transaction ends. Nothing is done when there is none: the write finds that out.
 *
 * @throws StaleVersionError when the row has none of the versions; thrown inside the transaction, it takes all of it back
 */
export async function lockRow(
  tx: Transaction,
  table: VersionedTable,
  id: string,
  seen: SeenVersions,
  write: 'UPDATE' | 'DELETE' = 'UPDATE',
): Promise<void> {
  // While a row is changed, rows that refer to it are written all the same; not while it goes.
  const lock = Prisma.raw(write === 'UPDATE' ? 'FOR NO KEY UPDATE' : 'FOR UPDATE');
  const [row] = await tx.$queryRaw<{ version: number }[]>`
    SELECT version FROM ${Prisma.raw(table)} WHERE id = ${id}::uuid ${lock}`;
  if (row) checkVersion(row.version, seen);
}

/** @throws StaleVersionError when the version is none of those that were seen */
export function checkVersion(version: number, seen: SeenVersions): void {
  if (seen !== null && !seen.includes(version)) throw new StaleVersionError();
}
