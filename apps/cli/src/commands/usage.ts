import { type Command, Option } from 'commander';
import type { Usage } from '@app/contract';
import { action } from '../context.js';
import { idOfNamed } from '../named.js';
import type { Column } from '../table.js';

type Totals = Usage['data'][number];

interface UsageOptions {
  readonly by: string;
  readonly bucket: string;
  readonly from?: string;
  readonly to?: string;
  readonly key?: string;
  readonly group?: string;
}

const COLUMNS: Readonly<Record<string, Column<Totals>>> = {
  key: ['KEY', ({ key_name, key_id }) => key_name ?? key_id ?? null],
  group: ['GROUP', ({ group_name, group_id }) => group_name ?? group_id ?? null],
  upstream: ['UPSTREAM', ({ upstream_name, upstream_id }) => upstream_name ?? upstream_id ?? null],
  model: ['MODEL', ({ model }) => model ?? null],
  error: ['ERROR', ({ error }) => error ?? null],
  client: ['CLIENT', ({ client }) => client ?? null],
  owner: ['OWNER', ({ owner }) => owner ?? null],
  service_tier: ['TIER', ({ service_tier }) => service_tier ?? null],
};

/** `tollgate usage` */
export function addUsage(program: Command): void {
  program
    .command('usage')
    .description('who used what, and what it cost: of the last 30 days, unless a time is given')
    .option('--by <dimensions>', `between commas: ${Object.keys(COLUMNS).join(', ')}`, 'model,key')
    .addOption(
      new Option('--bucket <bucket>', 'one row for each').choices(['hour', 'day', 'month', 'total']).default('total'),
    )
    .option('--from <time>', 'such as 2026-11-01T00:00:00Z')
    .option('--to <time>', 'exclusive')
    .option('--key <key>', 'only of this key')
    .option('--group <group>', 'only of this group')
    .action(
      action<UsageOptions>(async (context, _, { by, bucket, from, to, key, group }) => {
        const query = new URLSearchParams({ group_by: by, bucket });
        if (from) query.set('start', from);
        if (to) query.set('end', to);
        if (key) query.set('key', await idOfNamed(context.api, 'key', key));
        if (group) query.set('group', await idOfNamed(context.api, 'group', group));
        const { data } = await context.api.get<Usage>(`/usage?${query}`);
        const dimensions = by
          .split(',')
          .map((dimension) => COLUMNS[dimension])
          .filter((column) => column !== undefined);
        context.printTable<Totals>(data, [
          ...(bucket === 'total' ? [] : [['START', ({ start }) => start] as Column<Totals>]),
          ...dimensions,
          ['REQUESTS', ({ requests }) => requests],
          ['ERRORS', ({ errors }) => errors],
          ['INPUT', ({ input_tokens }) => input_tokens],
          ['CACHED', ({ cached_tokens }) => cached_tokens],
          ['OUTPUT', ({ output_tokens }) => output_tokens],
          ['USD', ({ cost_usd }) => cost_usd],
        ]);
      }),
    );
}
