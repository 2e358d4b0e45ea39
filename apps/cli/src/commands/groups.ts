import type { Command } from 'commander';
import type { Group } from '@app/contract';
import { fields, given, limitOf, names, numberOrNone } from '../arguments.js';
import { action } from '../context.js';
import { idOfNamed } from '../named.js';

interface GroupOptions {
  readonly name?: string;
  readonly description?: string;
  readonly models?: string[];
  readonly budget?: string;
  readonly requestsPerMinute?: number | 'none';
  readonly tokensPerMinute?: number | 'none';
  readonly maxConcurrency?: number | 'none';
  readonly set?: object;
}

/** `tollgate groups …` */
export function addGroups(program: Command): void {
  const groups = program.command('groups').description('plans: what the keys in them may use, and how much');
  groups
    .command('list')
    .description('list all groups, newest first')
    .action(
      action(async (context) => {
        context.printTable(await context.api.all<Group>('/groups'), [
          ['NAME', ({ name }) => name],
          ['MODELS', ({ models }) => models.join(',')],
          ['KEYS', ({ key_count }) => key_count],
          ['BUDGET USD', ({ budget_usd }) => budget_usd],
          [
            'WINDOWS',
            ({ windows }) => windows.map(({ limit, unit, period }) => `${limit} ${unit}/${period}`).join(', '),
          ],
          ['ID', ({ id }) => id],
        ]);
      }),
    );
  withFields(groups.command('create').description('make a group').argument('<name>')).action(
    action<GroupOptions>(async (context, [name = ''], options) => {
      const group = await context.api.call<Group>('POST', '/groups', { name, ...bodyOf(options) });
      context.print(group, () => `The group ${group.name} is made: ${group.id}`);
    }),
  );
  groups
    .command('show')
    .description('show a group')
    .argument('<group>', 'name or id')
    .action(
      action(async (context, [name = '']) => {
        const id = await idOfNamed(context.api, 'group', name);
        context.printObject(await context.api.get<Group>(`/groups/${id}`));
      }),
    );
  withFields(
    groups.command('update').description('change a group; what is not given stays').argument('<group>', 'name or id'),
  )
    .option('--name <name>', 'another name')
    .action(
      action<GroupOptions>(async (context, [name = ''], options) => {
        const id = await idOfNamed(context.api, 'group', name);
        const group = await context.api.call<Group>('PATCH', `/groups/${id}`, bodyOf(options));
        context.print(group, () => `The group ${group.name} is changed.`);
      }),
    );
  groups
    .command('delete')
    .description('delete a group that has no keys')
    .argument('<group>', 'name or id')
    .action(
      action(async (context, [name = '']) => {
        const id = await idOfNamed(context.api, 'group', name);
        await context.api.call('DELETE', `/groups/${id}`);
        context.print({ id }, () => `The group ${name} is deleted.`);
      }),
    );
}

function withFields(command: Command): Command {
  return command
    .option('--description <text>', 'for people')
    .option(
      '--models <models>',
      'models that its keys may use, between commas; * stands for anything: gpt-5.5,gpt-*',
      names,
    )
    .option('--budget <usd>', 'what may be spent in all, such as 200.00, or none')
    .option('--requests-per-minute <count>', 'limit, or none', numberOrNone)
    .option('--tokens-per-minute <count>', 'limit, or none', numberOrNone)
    .option('--max-concurrency <count>', 'limit, or none', numberOrNone)
    .option(
      '--set <json>',
      `other fields of the admin API, such as '{"windows": [{"name": "5h", "period": "5h", "unit": "usd", "limit": "20.00"}]}'`,
      fields,
    );
}

function bodyOf(options: GroupOptions): object {
  return {
    ...given({
      name: options.name,
      description: options.description,
      models: options.models,
      budget_usd: limitOf(options.budget),
      requests_per_minute: limitOf(options.requestsPerMinute),
      tokens_per_minute: limitOf(options.tokensPerMinute),
      max_concurrency: limitOf(options.maxConcurrency),
    }),
    ...options.set,
  };
}
