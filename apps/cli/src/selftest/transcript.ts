import { readFileSync } from 'node:fs';
import type { Script } from '../../../simulator/src/simulator.js';
import type { Item } from './gateway-client.js';

/** What Codex sends with each call, and how its inputs begin. */
export interface CodexShape {
  readonly headers: Readonly<Record<string, string>>;
  readonly opening: readonly Item[];
  /** In the order of its fields. */
  readonly body: Readonly<Record<string, unknown>>;
}

/** One call of a session. */
export interface Turn {
  /** What is new in the input. */
  readonly input: readonly Item[];
  /** What the simulated provider is to do; stands in the last message of the user. */
  readonly script?: Script;
  /** Fields that differ from what Codex sends. */
  readonly fields?: Readonly<Record<string, unknown>>;
  /** The body is `fields` and the input, and nothing besides. */
  readonly isWhole?: boolean;
  /** Default: `/responses`. */
  readonly path?: string;
  /** Headers that differ from what Codex sends. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** A body in zstd, but for its model. */
export interface ZstdBody {
  /** What follows the model in the body. */
  readonly rest: string;
  /** A frame of `rest`. */
  readonly frame_base64: string;
}

/** The turns of a transcript. */
export function readTurns(name: string): readonly Turn[] {
  return readData<{ turns: Turn[] }>(name).turns;
}

/** The only turn of a transcript, or its first. */
export function readTurn(name: string): Turn {
  const [turn] = readTurns(name);
  if (!turn) throw new Error(`the transcript ${name} has no turn`);
  return turn;
}

/** What all transcripts have in common. */
export function readCodexShape(): CodexShape {
  return readData('codex');
}

/** The transcript whose body is a zstd frame. */
export function readZstdBody(): ZstdBody {
  return readData('zstd-body');
}

function readData<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`./transcripts/${name}.json`, import.meta.url), 'utf8')) as T;
}
