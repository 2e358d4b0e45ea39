import type { Command } from 'commander';
import type { Group, IssuedKey, Key, Model } from '@app/contract';
import { fields, given, limitOf, names, numberOrNone, wholeNumber } from '../arguments.js';
import { codexConfig } from '../codex-config.js';
import { action, type Context } from '../context.js';
import { idOfNamed } from '../named.js';

const FALLBACK_MODEL = 'gpt-5.5';

interface KeyOptions {
  readonly group: string;
  readonly owner?: string;
  readonly models?: string[];
  readonly expires?: string;
  readonly budget?: string;
  readonly requestsPerMinute?: number | 'none';
  readonly tokensPerMinute?: number | 'none';
  readonly maxConcurrency?: number | 'none';
  readonly set?: object;
}

/** `tollgate keys …` */
export function addKeys(program: Command): void {
  const keys = program.command('keys').description('the keys that developers use');
  keys
    .command('list')
    .description('list all keys, newest first')
    .option('--group <group>', 'only those of this group')
    .action(
      action<{ group?: string }>(async (context, _, { group }) => {
        const id = group === undefined ? null : await idOfNamed(context.api, 'group', group);
        const all = await context.api.all<Key>('/keys');
        context.printTable(
          all.filter((key) => id === null || key.group_id === id),
          [
            ['NAME', ({ name }) => name],
            ['GROUP', ({ group_name }) => group_name],
            ['OWNER', ({ owner }) => owner],
            ['STATUS', ({ status }) => status],
            ['KEY', ({ prefix, last4 }) => `${prefix}…${last4}`],
            ['EXPIRES', ({ expires_at }) => expires_at],
            ['LAST USED', ({ last_used_at }) => last_used_at],
            ['ID', (key) => key.id],
          ],
        );
      }),
    );
  keys
    .command('create')
    .description('issue a key; it is printed this once, together with how Codex CLI is told of it')
    .argument('<name>', 'such as the name of its user')
    .requiredOption('--group <group>', 'the group that says what it may use')
    .option('--owner <owner>', 'who uses it, such as a mail address')
    .option('--models <models>', 'only these of the models of its group, between commas', names)
    .option('--expires <time>', 'when it stops working, such as 2027-01-01T00:00:00Z')
    .option('--budget <usd>', 'what it may spend in all, such as 20.00')
    .option('--requests-per-minute <count>', 'limit, or none', numberOrNone)
    .option('--tokens-per-minute <count>', 'limit, or none', numberOrNone)
    .option('--max-concurrency <count>', 'limit, or none', numberOrNone)
    .option('--set <json>', 'other fields of the admin API', fields)
    .action(action<KeyOptions>(create));
  keys
    .command('show')
    .description('show a key; never its secret')
    .argument('<key>', 'name or id')
    .action(
      action(async (context, [name = '']) => {
        const id = await idOfNamed(context.api, 'key', name);
        context.printObject(await context.api.get<Key>(`/keys/${id}`));
      }),
    );
  keys
    .command('rotate')
    .description('give a key a new secret; the old one works on for a while')
    .argument('<key>', 'name or id')
    .option('--overlap <seconds>', 'how long the old one works on (default: a day)', wholeNumber)
    .action(
      action<{ overlap?: number }>(async (context, [name = ''], { overlap }) => {
        const id = await idOfNamed(context.api, 'key', name);
        const issued = await context.api.call<IssuedKey>(
          'POST',
          `/keys/${id}/rotate`,
          given({ overlap_seconds: overlap }),
        );
        const until = issued.previous_secret_expires_at;
        context.print(issued, () => `${told(issued)}\nThe old one works until ${until}.`);
      }),
    );
  addEnd(keys, 'revoke', 'refuse a key from now on; it stays in the list', (context, id) =>
    context.api.call<Key>('POST', `/keys/${id}/revoke`),
  );
  addEnd(keys, 'delete', 'take a key away; its requests stay in the log', (context, id) =>
    context.api.call<null>('DELETE', `/keys/${id}`),
  );
}

function addEnd(
  keys: Command,
  verb: string,
  description: string,
  end: (context: Context, id: string) => Promise<Key | null>,
): void {
  keys
    .command(verb)
    .description(description)
    .argument('<key>', 'name or id')
    .action(
      action(async (context, [name = '']) => {
        const id = await idOfNamed(context.api, 'key', name);
        const answer = await end(context, id);
        context.print(answer ?? { id }, () => `${name} is ${verb === 'revoke' ? 'revoked' : 'deleted'}.`);
      }),
    );
}

async function create(context: Context, [name = '']: string[], options: KeyOptions): Promise<void> {
  const { api } = context;
  const group_id = await idOfNamed(api, 'group', options.group);
  const issued = await api.call<IssuedKey>('POST', '/keys', {
    ...given({
      name,
      group_id,
      owner: options.owner,
      models: options.models,
      expires_at: options.expires,
      budget_usd: limitOf(options.budget),
      requests_per_minute: limitOf(options.requestsPerMinute),
      tokens_per_minute: limitOf(options.tokensPerMinute),
      max_concurrency: limitOf(options.maxConcurrency),
    }),
    ...options.set,
  });
  const model = context.isJson ? '' : await modelFor(context, issued);
  context.print(issued, () => `${told(issued)}\n\n${codexConfig(api.url, model, issued.secret)}`);
}

function told({ name, secret }: IssuedKey): string {
  return `The key of ${name}, shown this once:\n\n  ${secret}`;
}

/** A model that the key may use, for the example. */
async function modelFor({ api }: Context, key: Key): Promise<string> {
  const [group, models] = await Promise.all([api.get<Group>(`/groups/${key.group_id}`), api.all<Model>('/models')]);
  const patterns = key.models ?? group.models;
  const allowed = models.map(({ name }) => name).filter((name) => patterns.some((pattern) => matches(pattern, name)));
  const named = patterns.find((pattern) => !pattern.includes('*'));
  return allowed.includes(FALLBACK_MODEL) ? FALLBACK_MODEL : (allowed[0] ?? named ?? FALLBACK_MODEL);
}

function matches(pattern: string, name: string): boolean {
  const parts = pattern.split('*').map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join('.*')}$`).test(name);
}
