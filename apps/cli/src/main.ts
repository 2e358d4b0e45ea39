#!/usr/bin/env node
import { CommanderError } from 'commander';
import { ApiProblem } from './admin-api.js';
import { CommandFailure, ExitCode } from './command-failure.js';
import { makeProgram } from './program.js';

// Whoever reads no further, as `head` does, is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit(ExitCode.Ok);
  throw error;
});

try {
  await makeProgram().parseAsync();
} catch (error) {
  process.exitCode = exitCodeOf(error);
}

function exitCodeOf(error: unknown): number {
  // Commander has said what is wrong, or shown the help that was asked for.
  if (error instanceof CommanderError) return error.exitCode === 0 ? ExitCode.Ok : ExitCode.Usage;
  if (error instanceof CommandFailure && error.message === '') return error.exitCode;
  const text = error instanceof ApiProblem ? error.text : error instanceof Error ? error.message : String(error);
  process.stderr.write(`tollgate: ${text}\n`);
  return error instanceof CommandFailure ? error.exitCode : ExitCode.Failure;
}
