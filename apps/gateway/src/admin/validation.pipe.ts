import { StandardSchemaValidationPipe } from '@nestjs/common';
import { AdminProblem } from '../http/admin-problem.js';

interface SchemaIssue {
  readonly message: string;
  readonly path?: readonly (PropertyKey | { key: PropertyKey })[];
  /** zod: members that a strict object does not know */
  readonly keys?: readonly string[];
}

/** Checks what the admin API takes in against its schemas; each error names its field. */
export const validationPipe = new StandardSchemaValidationPipe({
  exceptionFactory: (issues: readonly SchemaIssue[]) => AdminProblem.invalid(issues.flatMap(fieldErrors)),
});

function fieldErrors(issue: SchemaIssue): { path: string; message: string }[] {
  const path = (issue.path ?? []).map((part) => String(typeof part === 'object' ? part.key : part));
  if (issue.keys) return issue.keys.map((key) => ({ path: [...path, key].join('.'), message: 'is not a known field' }));
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
