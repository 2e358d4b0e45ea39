import type { Problem } from './problem.js';

/** What a schema has found wrong, as every Standard Schema tells it. */
export interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { key: PropertyKey })[] | undefined;
  /** zod: members that a strict object does not know */
  readonly keys?: readonly string[];
  /** zod: what was wrong with each of the forms that a value may have */
  readonly errors?: readonly (readonly SchemaIssue[])[];
  /** zod: what was wrong with a member's name */
  readonly issues?: readonly SchemaIssue[];
}

/** The errors of the fields that an issue is about, each as the rest of a sentence that begins with the field's name. */
export function fieldErrors(issue: SchemaIssue): NonNullable<Problem['errors']> {
  const path = (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part));
  if (issue.keys) return issue.keys.map((key) => ({ path: [...path, key].join('.'), message: 'is not a known field' }));
  // The last form is the one that the others are exceptions of.
  const form = issue.errors?.at(-1) ?? issue.issues;
  if (form) return form.flatMap((inner) => fieldErrors({ ...inner, path: [...path, ...(inner.path ?? [])] }));
  return [{ path: path.join('.'), message: readable(issue.message) }];
}

/** zod's own messages are sentences of their own; here they follow the field's name. */
function readable(message: string): string {
  if (message.startsWith('Invalid input: expected')) {
    const [expected, received] = message.slice('Invalid input: expected '.length).split(', received ');
    return received === 'undefined' ? 'is required' : `must be a ${expected}${received ? `, not ${received}` : ''}`;
  }
  return message.startsWith('must ') || message.startsWith('is ') ? message : `is not valid: ${message}`;
}
