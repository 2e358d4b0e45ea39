import { type Command, Option } from 'commander';
import type { ApplyOptions } from '../config-work.js';
import { action } from '../context.js';

const FILE = 'YAML or JSON; - for the standard input';
const PRUNE = 'delete what came from a file before and is not in this one';

/** Loaded only when it is asked for: schemas and YAML take longer to load than all the rest. */
const work = () => import('../config-work.js');

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
    .option('--prune', PRUNE)
    .action(action<ApplyOptions>(async (...given) => (await work()).diff(...given)));
  config
    .command('apply')
    .description('make everything as a file says, or change nothing; asks first')
    .argument('<file>', FILE)
    .option('--prune', PRUNE)
    .option('--yes', 'do not ask')
    .action(action<ApplyOptions>(async (...given) => (await work()).apply(...given)));
  config
    .command('validate')
    .description('check a file by itself; no gateway is needed')
    .argument('<file>', FILE)
    .action(action(async (...given) => (await work()).validate(given[0], given[1])));
  config
    .command('drift')
    .description('show what was changed by hand since a file was applied; ends with 2 when that is something')
    .action(action(async (context) => (await work()).drift(context)));
  config
    .command('schema')
    .description('print the JSON Schema of the file, for editors')
    .action(action(async () => (await work()).schema()));
}
