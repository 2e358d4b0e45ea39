import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { RequestLog } from '@app/journal';
import { StartupError } from './startup-error.js';

/** Longer than a day's rows take; what takes longer goes on beside the traffic. */
const RECOVERY_MS = 5_000;

/**
 * Puts into the request log what a gateway before this one has left in the journal: before anything reads the log, so that
 * limits count it.
 *
 * @throws StartupError when the journal cannot be opened
 */
export async function recoverLog(app: NestFastifyApplication): Promise<void> {
  try {
    await app.get(RequestLog).recover(RECOVERY_MS);
  } catch (error) {
    throw new StartupError(`the journal in DATA_DIR cannot be opened: ${(error as Error).message}`, { cause: error });
  }
}
