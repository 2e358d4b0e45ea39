import { createInterface } from 'node:readline/promises';
import { type Command, Option } from 'commander';
import { checkConfigFile } from '@app/config-file';
import { type ConfigApplied, type ConfigDiff, type ConfigDrift, configJsonSchema } from '@app/contract';
import { CommandFailure, ExitCode } from '../command-failure.js';
import { changesText } from '../config-changes.js';
import { ConfigSource } from '../config-source.js';
import { action, type Context } from '../context.js';

const FILE = 'YAML or JSON; - for the standard input';

/** `tollgate config …` */
export function addConfig(program: Command): void {
  const config = program
    .command('config')
    .description('the whole configuration as one file: docs/configuration-file.md');
  config
    .command('export')
    .description('print what there is as a file; it holds no secret')
    .addOption(
      new Option(
        '--secrets <form>',
        'reference: ${NAME}, to be set where the file is applied; keep: as they are stored',
      )
        .choices(['reference', 'keep'])
        .default('reference'),
    )
    .action(
      action<{ secrets: string }>(async (context, _, { secrets }) => {
        const format = context.isJson ? 'json' : 'yaml';
        const text = await context.api.text(`/config?format=${format}&secrets=${secrets}`);
        process.stdout.write(context.isJson ? `${JSON.stringify(JSON.parse(text), null, 2)}\n` : text);
      }),
    );
  config
    .command('diff')
    .description(
      'show what applying a file would change: + made, ~ changed, − deleted; ends with 2 when that is something',
    )
    .argument('<file>', FILE)
    .option('--prune', 'delete what came from a file before and is not in this one')
    .action(
      action<{ prune?: boolean }>(async (context, [name = ''], { prune = false }) => {
        const diff = await ask<ConfigDiff>(context, ConfigSource.read(name), 'diff', prune);
        context.print(diff, () => changesText(diff, isColoured()));
        if (diff.has_changes) throw new CommandFailure('', ExitCode.Changes);
      }),
    );
  config
    .command('apply')
    .description('make everything as a file says, or change nothing; asks first')
    .argument('<file>', FILE)
    .option('--prune', 'delete what came from a file before and is not in this one')
    .option('--yes', 'do not ask')
    .action(action<{ prune?: boolean; yes?: boolean }>(apply));
  config
    .command('validate')
    .description('check a file by itself; no gateway is needed')
    .argument('<file>', FILE)
    .action(
      action(async (context, [name = '']) => {
        const { file } = ConfigSource.read(name);
        checkConfigFile(name, file);
        context.print({ valid: true }, () => `${name} is well-formed.`);
      }),
    );
  config
    .command('drift')
    .description('show what was changed by hand since a file was applied; ends with 2 when that is something')
    .action(
      action(async (context) => {
        const drift = await context.api.get<ConfigDrift>('/config/drift');
        context.print(drift, () =>
          drift.applied_at === null ? 'No file was ever applied.' : changesText(drift, isColoured()),
        );
        if (drift.has_changes) throw new CommandFailure('', ExitCode.Changes);
      }),
    );
  config
    .command('schema')
    .description('print the JSON Schema of the file, for editors')
    .action(() => {
      process.stdout.write(`${JSON.stringify(configJsonSchema(), null, 2)}\n`);
    });
}

async function apply(
  context: Context,
  [name = '']: string[],
  options: { prune?: boolean; yes?: boolean },
): Promise<void> {
  const { prune = false, yes = false } = options;
  const source = ConfigSource.read(name);
  if (!yes) {
    if (!process.stdin.isTTY || name === '-') {
      throw new CommandFailure(
        'nobody can be asked here: look at tollgate config diff, then give --yes',
        ExitCode.Usage,
      );
    }
    const diff = await ask<ConfigDiff>(context, source, 'diff', prune);
    process.stderr.write(`${changesText(diff, isColoured())}\n`);
    if (diff.has_changes && !(await isConfirmed())) throw new CommandFailure('nothing was changed');
  }
  const applied = await ask<ConfigApplied>(context, source, 'apply', prune);
  context.print(applied, () => appliedText(applied));
}

function ask<T>({ api }: Context, source: ConfigSource, verb: 'diff' | 'apply', prune: boolean): Promise<T> {
  return source.located(api.call<T>('POST', `/config/${verb}?prune=${prune}`, source.file.value));
}

function appliedText({ data, issued }: ConfigApplied): string {
  const changed = data.filter(({ action: done }) => done !== 'none').length;
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

function isColoured(): boolean {
  return Boolean(process.stdout.isTTY) && !process.env.NO_COLOR;
}
