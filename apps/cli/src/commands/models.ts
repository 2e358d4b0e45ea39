import type { Command } from 'commander';
import type { Model } from '@app/contract';
import { fields, given, names, wholeNumber } from '../arguments.js';
import { CommandFailure, ExitCode } from '../command-failure.js';
import { action } from '../context.js';
import { idOfNamed } from '../named.js';

interface ModelOptions {
  readonly aliases?: string[];
  readonly upstreams?: string[];
  readonly inputPrice?: string;
  readonly outputPrice?: string;
  readonly contextWindow?: number;
  readonly set?: object;
}

/** `tollgate models …` */
export function addModels(program: Command): void {
  const models = program
    .command('models')
    .description('models with aliases, prices or upstreams of their own; others need not be registered');
  models
    .command('list')
    .description('list all registered models, newest first')
    .action(
      action(async (context) => {
        context.printTable(await context.api.all<Model>('/models'), [
          ['NAME', ({ name }) => name],
          ['ALIASES', ({ aliases }) => aliases.join(',')],
          ['UPSTREAMS', ({ upstreams }) => upstreams.length || 'every'],
          ['INPUT USD/M', ({ prices }) => prices?.input_per_million_usd ?? null],
          ['OUTPUT USD/M', ({ prices }) => prices?.output_per_million_usd ?? null],
          ['WINDOW', ({ context_window_tokens }) => context_window_tokens],
          ['ID', ({ id }) => id],
        ]);
      }),
    );
  models
    .command('create')
    .description('register a model')
    .argument('<name>', 'as clients send it')
    .option('--aliases <names>', 'other names for it, between commas', names)
    .option('--upstreams <names>', 'upstreams that serve it, between commas (default: every one)', names)
    .option('--input-price <usd>', 'for a million input tokens, such as 1.25; together with --output-price')
    .option('--output-price <usd>', 'for a million output tokens')
    .option('--context-window <tokens>', 'how many tokens it can read at once', wholeNumber)
    .option('--set <json>', 'other fields of the admin API', fields)
    .action(
      action<ModelOptions>(async (context, [name = ''], options) => {
        const { inputPrice, outputPrice } = options;
        if ((inputPrice === undefined) !== (outputPrice === undefined)) {
          throw new CommandFailure('--input-price and --output-price go together', ExitCode.Usage);
        }
        const upstreams = [];
        for (const upstream of options.upstreams ?? []) {
          upstreams.push({ upstream_id: await idOfNamed(context.api, 'upstream', upstream) });
        }
        const prices = inputPrice && { input_per_million_usd: inputPrice, output_per_million_usd: outputPrice };
        const body = given({
          name,
          aliases: options.aliases,
          upstreams,
          prices,
          context_window_tokens: options.contextWindow,
        });
        const model = await context.api.call<Model>('POST', '/models', { ...body, ...options.set });
        context.print(model, () =>
          [`The model ${model.name} is registered: ${model.id}`, ...model.warnings.map(({ message }) => message)].join(
            '\n',
          ),
        );
      }),
    );
  models
    .command('delete')
    .description('delete a model; its requests stay in the log')
    .argument('<model>', 'name or id')
    .action(
      action(async (context, [name = '']) => {
        const id = await idOfNamed(context.api, 'model', name);
        await context.api.call('DELETE', `/models/${id}`);
        context.print({ id }, () => `The model ${name} is deleted.`);
      }),
    );
}
