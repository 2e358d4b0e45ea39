import type { Transaction } from '@app/database';

/** First in every write of models or their prices: one after the other, so that those of many models and of one never wait for each other. */
export async function lockModels(tx: Transaction): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('tollgate_models'))`;
}
