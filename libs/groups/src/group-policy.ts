/** Which models are allowed: exact names and `*` patterns, compiled once. */
export interface ModelRule {
  readonly patterns: readonly string[];
  allows(model: string): boolean;
}

/** What a group may do: plain data on the request path, rebuilt off it. */
export interface GroupPolicy {
  readonly id: string;
  readonly name: string;
  readonly models: ModelRule;
}

/** Compiles patterns in which `*` stands for any run of characters; everything else is literal. No pattern, no model. */
export function modelRule(patterns: readonly string[]): ModelRule {
  const exact = new Set(patterns.filter((pattern) => !pattern.includes('*')));
  const wild = patterns.filter((pattern) => pattern.includes('*')).map(compile);
  return {
    patterns,
    allows: (model) => exact.has(model) || wild.some((pattern) => pattern.test(model)),
  };
}

function compile(pattern: string): RegExp {
  // Runs of stars mean the same as one, and would make the expression slow.
  const parts = pattern.split(/\*+/).map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join('.*')}$`, 's');
}
