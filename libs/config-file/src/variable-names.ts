/**
 * The variables that an export refers to, by the names of what they belong to: TOLLGATE_UPSTREAM_MY_PROVIDER for the upstream
 * `my provider`. Names that would lead to the same variable are numbered, in their order.
 */
export function variablesOf(prefix: string, names: readonly string[]): ReadonlyMap<string, string> {
  const taken = new Set<string>();
  const variables = new Map<string, string>();
  for (const name of names) {
    const base = `${prefix}_${name.toUpperCase().replaceAll(/[^A-Z0-9]+/g, '_')}`;
    let variable = base;
    for (let count = 2; taken.has(variable); count++) variable = `${base}_${count}`;
    taken.add(variable);
    variables.set(name, variable);
  }
  return variables;
}
