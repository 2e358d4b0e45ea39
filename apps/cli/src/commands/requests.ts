import type { Command } from 'commander';
import type { Page, Request } from '@app/contract';
import { wholeNumber } from '../arguments.js';
import { action, type Context } from '../context.js';
import { idOfNamed } from '../named.js';
import { type Column, table } from '../table.js';

const FINAL = /^(?:event|id|data): ?/;

const COLUMNS: readonly Column<Request>[] = [
  ['TIME', ({ started_at }) => started_at],
  ['STATUS', ({ status }) => status],
  ['OUTCOME', ({ outcome }) => outcome],
  ['KEY', ({ key_name }) => key_name],
  ['MODEL', ({ model }) => model],
  ['UPSTREAM', ({ upstream_name }) => upstream_name],
  ['IN', ({ input_tokens }) => input_tokens],
  ['OUT', ({ output_tokens }) => output_tokens],
  ['USD', ({ cost_usd }) => cost_usd],
  ['MS', ({ duration_ms }) => Math.round(duration_ms)],
  ['ERROR', ({ error_code }) => error_code],
  ['ID', ({ id }) => id],
];

interface FilterOptions {
  readonly key?: string;
  readonly group?: string;
  readonly model?: string;
  readonly status?: string[];
  readonly session?: string;
  readonly limit?: number;
}

/** `tollgate requests …` */
export function addRequests(program: Command): void {
  const requests = program.command('requests').description('the log of all requests');
  withFilters(requests.command('list').description('list requests, newest first'))
    .option('--limit <count>', 'how many (default: 20)', wholeNumber)
    .action(
      action<FilterOptions>(async (context, _, options) => {
        const query = await queryOf(context, options);
        query.set('limit', String(options.limit ?? 20));
        const { data } = await context.api.get<Page<Request>>(`/requests?${query}`);
        context.printTable(data, COLUMNS);
      }),
    );
  requests
    .command('show')
    .description('show all that is known of a request')
    .argument('<id>', 'req_…, as the client saw it in x-request-id')
    .action(
      action(async (context, [id = '']) => {
        context.printObject(await context.api.get<Request>(`/requests/${encodeURIComponent(id)}`));
      }),
    );
  withFilters(
    requests.command('tail').description('follow requests as they end, until ctrl-c; with --json one object a line'),
  ).action(
    action<FilterOptions>(async (context, _, options) => {
      const query = await queryOf(context, options);
      await tail(context, query);
    }),
  );
}

function withFilters(command: Command): Command {
  return command
    .option('--key <key>', 'only those of this key')
    .option('--group <group>', 'only those of this group')
    .option('--model <model>', 'only those for this model')
    .option('--status <status...>', 'only those that were answered so: 429, 5xx')
    .option('--session <session>', 'only those of this session');
}

async function queryOf({ api }: Context, options: FilterOptions): Promise<URLSearchParams> {
  const query = new URLSearchParams();
  if (options.key) query.set('key', await idOfNamed(api, 'key', options.key));
  if (options.group) query.set('group', await idOfNamed(api, 'group', options.group));
  if (options.model) query.set('model', options.model);
  if (options.session) query.set('session', options.session);
  for (const status of options.status ?? []) query.append('status', status);
  return query;
}

async function tail(context: Context, query: URLSearchParams): Promise<void> {
  if (!context.isJson) process.stdout.write(`${table([], WIDE)}\n`);
  let event = '';
  for await (const line of context.api.lines(`/requests/live?${query}`)) {
    const text = line.replace(FINAL, '');
    if (line.startsWith('event:')) event = text;
    if (!line.startsWith('data:')) continue;
    if (event === 'request') process.stdout.write(`${context.isJson ? text : lineOf(JSON.parse(text) as Request)}\n`);
    if (event === 'gap') process.stderr.write(`tollgate: some requests are missing here: ${text}\n`);
  }
}

/** Rows that come one by one are as wide as most of them. */
const WIDTHS = [24, 6, 12, 16, 16, 12, 8, 8, 10, 7, 16, 36];
const WIDE = COLUMNS.map(([head, cell], index) => [head.padEnd(WIDTHS[index] ?? 0), cell] as Column<Request>);

function lineOf(request: Request): string {
  return table([request], WIDE).split('\n')[1] ?? '';
}
