import { StandardSchemaValidationPipe } from '@nestjs/common';
import { fieldErrors, type SchemaIssue } from '@app/contract';
import { AdminProblem } from '../http/admin-problem.js';

/** Checks what the admin API takes in against its schemas; each error names its field. */
export const validationPipe = new StandardSchemaValidationPipe({
  exceptionFactory: (issues: readonly SchemaIssue[]) => AdminProblem.invalid(issues.flatMap(fieldErrors)),
});
