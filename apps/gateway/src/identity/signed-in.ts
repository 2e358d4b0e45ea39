import type { CurrentPrincipal } from '@app/contract';
import { type SignedIn, TooManyPasswords } from '@app/operators';
import { AdminProblem } from '../http/admin-problem.js';
import { principalOf } from './principals.js';
import { toCurrentPrincipal } from './shown-operator.js';

const RETRY_SECONDS = 2;

/** What somebody is told who has just signed in. */
export function ofSignedIn({ operator, expiresAt }: SignedIn): CurrentPrincipal {
  return toCurrentPrincipal(principalOf(operator, { id: null, expiresAt }));
}

/** Checks of passwords take their turn. @throws AdminProblem 429 when too many wait */
export async function inTurn<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof TooManyPasswords) {
      throw AdminProblem.tooManyRequests('Too many passwords wait to be checked.', RETRY_SECONDS);
    }
    throw error;
  }
}

export function tooManySignIns(waitSeconds: number): AdminProblem {
  return AdminProblem.tooManyRequests('Too many sign-ins were tried.', waitSeconds);
}
