import { LRUCache } from 'lru-cache';
import { encryptedContentFingerprint } from '@app/protocol';

const HELD_MAX = 50_000;

/**
 * Which upstream gave out an `x-codex-turn-state`. Codex sends it back for the rest of a turn; to another upstream it would
 * be a stranger's, and is left out (codex-cli.md §3).
 */
export class TurnStates {
  private readonly held = new LRUCache<string, string>({ max: HELD_MAX });

  note(turnState: string, upstreamId: string | null): void {
    if (upstreamId !== null) this.held.set(encryptedContentFingerprint(turnState), upstreamId);
  }

  /** null when it is not known. */
  makerOf(turnState: string | string[] | undefined): string | null {
    if (typeof turnState !== 'string') return null;
    return this.held.get(encryptedContentFingerprint(turnState)) ?? null;
  }
}
