import type { ConfigApplied } from '@app/contract';
import type { Transaction } from '@app/database';

/** On whose behalf, in which transaction, and since when. */
export interface WriteContext {
  readonly actor: string;
  readonly tx: Transaction;
  readonly nowMs: number;
}

/** A secret that was made, and is told once. */
export type IssuedSecret = ConfigApplied['issued'][number];

/** What marks an object as the file's. */
export const MANAGED = { managedBy: 'config' } as const;

/** How long a secret that the file replaces goes on working, as after a rotation by hand. */
export const OVERLAP_SECONDS = 24 * 3600;
