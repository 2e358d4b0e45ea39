import { InvalidArgumentError } from 'commander';
import { CommandFailure, ExitCode } from './command-failure.js';

/** What lifts a limit. Commander takes a null for an option without a value. */
const NONE = 'none';
const WHOLE = /^\d+$/;

/** A whole number, or `none`. */
export function numberOrNone(text: string): number | typeof NONE {
  if (text === NONE) return NONE;
  if (!WHOLE.test(text)) throw new InvalidArgumentError('It must be a whole number, or none.');
  return Number(text);
}

/** What the admin API calls no limit. */
export function limitOf<T>(option: T): T | null {
  return option === NONE ? null : option;
}

export function wholeNumber(text: string): number {
  if (!WHOLE.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

/** Names between commas; nothing for an empty text. */
export function names(text: string): string[] {
  return text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
}

/** Fields of the admin API for which there is no option, as JSON. */
export function fields(text: string): object {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  } catch {
    // said below
  }
  throw new InvalidArgumentError('It must be a JSON object, such as {"time_zone": "Europe/Berlin"}.');
}

/** Only what was given. */
export function given(body: object): object {
  return Object.fromEntries(Object.entries(body).filter(([, value]) => value !== undefined));
}

/** What a variable of the environment holds, so that a secret is no argument. */
export function fromEnvironment(name: string): string {
  const value = process.env[name];
  if (value) return value;
  throw new CommandFailure(`the variable ${name} is not set`, ExitCode.Usage);
}
