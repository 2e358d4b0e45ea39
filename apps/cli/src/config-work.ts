import { createInterface } from 'node:readline/promises';
import { checkConfigFile } from '@app/config-file';
import { type ConfigApplied, type ConfigDiff, type ConfigDrift, configJsonSchema } from '@app/contract';
import { CommandFailure, ExitCode } from './command-failure.js';
import { changesText } from './config-changes.js';
import { ConfigSource } from './config-source.js';
import type { Context } from './context.js';

export interface ApplyOptions {
  readonly prune?: boolean;
  readonly yes?: boolean;
}

/** Shows what applying a file would change. @throws CommandFailure with 2 when that is something */
export async function diff(context: Context, [name = '']: string[], { prune = false }: ApplyOptions): Promise<void> {
  const answer = await ask<ConfigDiff>(context, ConfigSource.read(name), 'diff', prune);
  context.print(answer, () => changesText(answer, isColoured(process.stdout)));
  if (answer.has_changes) throw new CommandFailure('', ExitCode.Changes);
}

/** Makes everything as a file says; asks before, unless it is told not to. */
export async function apply(context: Context, [name = '']: string[], options: ApplyOptions): Promise<void> {
  const { prune = false, yes = false } = options;
  if (!yes && (!process.stdin.isTTY || name === '-')) {
    throw new CommandFailure('nobody can be asked here: look at tollgate config diff, then give --yes', ExitCode.Usage);
  }
  const source = ConfigSource.read(name);
  if (!yes) {
    const planned = await ask<ConfigDiff>(context, source, 'diff', prune);
    process.stderr.write(`${changesText(planned, isColoured(process.stderr))}\n`);
    if (planned.has_changes && !(await isConfirmed())) throw new CommandFailure('nothing was changed');
  }
  const applied = await ask<ConfigApplied>(context, source, 'apply', prune);
  context.print(applied, () => appliedText(applied));
}

/** Checks a file by itself. @throws ConfigFileError */
export function validate(context: Context, [name = '']: string[]): void {
  const { file } = ConfigSource.read(name);
  checkConfigFile(name, file);
  context.print({ valid: true }, () => `${name} is well-formed.`);
}

/** Shows what was changed by hand since a file was applied. @throws CommandFailure with 2 when that is something */
export async function drift(context: Context): Promise<void> {
  const answer = await context.api.get<ConfigDrift>('/config/drift');
  context.print(answer, () =>
    answer.applied_at === null ? 'No file was ever applied.' : changesText(answer, isColoured(process.stdout)),
  );
  if (answer.has_changes) throw new CommandFailure('', ExitCode.Changes);
}

/** Prints the JSON Schema of the file. */
export function schema(): void {
  process.stdout.write(`${JSON.stringify(configJsonSchema(), null, 2)}\n`);
}

function ask<T>({ api }: Context, source: ConfigSource, verb: 'diff' | 'apply', prune: boolean): Promise<T> {
  return source.located(api.call<T>('POST', `/config/${verb}?prune=${prune}`, source.file.value));
}

function appliedText({ data, issued }: ConfigApplied): string {
  const changed = data.filter(({ action }) => action !== 'none').length;
  const secrets = issued.map(
    ({ kind, name, secret }) => `The secret of the ${kind} ${name}, shown this once: ${secret}`,
  );
  return [`Applied: ${changed} of ${data.length} objects were changed.`, ...secrets].join('\n');
}

async function isConfirmed(): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question('\nApply this? Only yes will do: ');
  terminal.close();
  return answer.trim() === 'yes';
}

function isColoured({ isTTY }: NodeJS.WriteStream): boolean {
  return isTTY && !process.env.NO_COLOR;
}
