import { appendFileSync } from 'node:fs';

/** A figure of the environment, such as CHAOS_ROUNDS. */
export function setting(name: string, byDefault: number): number {
  return Number(process.env[`CHAOS_${name}`] ?? byDefault);
}

/** Tells what was measured, to whoever runs the specs. */
export function report(name: string, figures: object): void {
  const file = process.env.CHAOS_REPORT;
  if (file) appendFileSync(file, `${JSON.stringify({ [name]: figures })}\n`);
}
