import type { PricingTerms } from '@app/models';
import type { BodyPolicy, Redaction } from './body-policy.js';

/** Which models are allowed: exact names and `*` patterns, compiled once. */
export interface ModelRule {
  readonly patterns: readonly string[];
  allows(model: string): boolean;
  /** The pattern that allows the model, for explanations. */
  matching(model: string): string | undefined;
}

/** What becomes of the upstream when a client leaves early. */
export type OnClientLeft = 'cancel' | 'drain';

/** What becomes of a session whose `encrypted_content` the next upstream cannot read. */
export type EncryptedContentOnMove = 'strip' | 'refuse';

/** What a compaction of the gateway's own answers beside the messages of the user. */
export type CompactionOutput = 'both' | 'sealed' | 'message';

/** What a group may do: plain data on the request path, rebuilt off it. */
export interface GroupPolicy extends PricingTerms {
  readonly id: string;
  readonly name: string;
  readonly models: ModelRule;
  readonly onClientLeft: OnClientLeft;
  readonly encryptedContentOnMove: EncryptedContentOnMove;
  readonly compactionOutput: CompactionOutput;
  /** What Codex shows to whoever has used up the plan; '' for nothing. */
  readonly limitMessage: string;
  /** How long a call may wait for its turn when too many run at once. */
  readonly queueWaitMs: number;
  /** Calls that would exceed their model's window are compacted before. */
  readonly isCompactedAutomatically: boolean;
  /** null: no bodies are stored. */
  readonly bodyPolicy: BodyPolicy | null;
  readonly redaction: Redaction;
}

/** Compiles patterns in which `*` stands for any run of characters; everything else is literal. No pattern, no model. */
export function modelRule(patterns: readonly string[]): ModelRule {
  const exact = new Set(patterns.filter((pattern) => !pattern.includes('*')));
  const wild = patterns.filter((pattern) => pattern.includes('*')).map((pattern) => pattern.split('*'));
  return {
    patterns,
    matching: (model) =>
      patterns.find((pattern) => (pattern.includes('*') ? matches(pattern.split('*'), model) : pattern === model)),
    allows: (model) => exact.has(model) || wild.some((parts) => matches(parts, model)),
  };
}

/** `parts` are what stands between the stars. Linear in the length of the text: patterns meet names that strangers choose. */
function matches(parts: readonly string[], text: string): boolean {
  const first = parts[0] ?? '';
  const last = parts.at(-1) ?? '';
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  let at = first.length;
  for (const part of parts.slice(1, -1)) {
    const found = text.indexOf(part, at);
    if (found === -1) return false;
    at = found + part.length;
  }
  return at <= text.length - last.length;
}
