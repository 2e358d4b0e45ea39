import { setTimeout as delay } from 'node:timers/promises';

const ATTEMPT_EVERY_MS = 20;
const GIVE_UP_MS = 20_000;

/** Asks again and again until there is an answer; for what becomes true by itself, such as a row that is on its way. */
export async function eventually<T>(
  what: string,
  ask: () => Promise<T | undefined> | T | undefined,
  giveUpMs = GIVE_UP_MS,
): Promise<T> {
  const deadline = performance.now() + giveUpMs;
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    if (performance.now() > deadline) throw new Error(`there was never ${what}`);
    await delay(ATTEMPT_EVERY_MS);
  }
}
