import { scrub } from '@app/runtime';

/**
 * A text that came from outside as the log may keep it: short, with what looks like a secret struck out, and without NUL and lone
 * surrogates, as PostgreSQL stores neither: one such text would make it refuse the whole batch.
 */
export function storable(outside: string | null, lengthMax: number): string | null {
  // Cut behind the scrubber, which would not know half a secret.
  const text = outside && scrub(outside.length > 2 * lengthMax ? outside.slice(0, 2 * lengthMax) : outside);
  if (text === null || (text.length <= lengthMax && text.isWellFormed() && !text.includes('\0'))) return text;
  return text.slice(0, lengthMax).replaceAll('\0', '\uFFFD').toWellFormed();
}

/** As exact as anybody needs it, and short. */
export function roundMs(ms: number): number {
  return Math.round(ms * 100) / 100;
}
