import { readFileSync } from 'node:fs';
import { type ConfigFile, ConfigFileError, parseConfigFile } from '@app/config-file';
import { ApiProblem } from './admin-api.js';
import { CommandFailure } from './command-failure.js';

/** A configuration file on this machine, whose references are resolved by this environment. */
export class ConfigSource {
  private constructor(
    readonly name: string,
    readonly file: ConfigFile,
  ) {}

  /** @throws ConfigFileError, CommandFailure */
  static read(name: string): ConfigSource {
    const file = parseConfigFile(name === '-' ? 'stdin' : name, textOf(name), process.env);
    for (const { path, message, line, column } of file.warnings) {
      process.stderr.write(`warning: ${name}:${line}:${column}: ${path} ${message}\n`);
    }
    return new ConfigSource(name, file);
  }

  /** Does something with the gateway; what that says of fields is told with their places in the file. */
  async located<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      if (!(error instanceof ApiProblem) || !error.problem.errors) throw error;
      const problems = error.problem.errors.map((problem) => ({ ...problem, ...this.file.places(problem.path) }));
      throw new ConfigFileError(this.name, problems);
    }
  }
}

function textOf(name: string): string {
  try {
    return readFileSync(name === '-' ? 0 : name, 'utf8');
  } catch (error) {
    throw new CommandFailure(`${name} cannot be read: ${(error as Error).message}`);
  }
}
