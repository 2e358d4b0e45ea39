import type { Command } from 'commander';
import type { Upstream, UpstreamProbe } from '@app/contract';
import type { z } from 'zod';
import { fields, fromEnvironment, given, wholeNumber } from '../arguments.js';
import { CommandFailure } from '../command-failure.js';
import { action } from '../context.js';
import { idOfNamed } from '../named.js';

interface UpstreamOptions {
  readonly baseUrl: string;
  readonly kind?: string;
  readonly credential?: string;
  readonly credentialEnv?: string;
  readonly priority?: number;
  readonly set?: object;
}

/** `tollgate upstreams …` */
export function addUpstreams(program: Command): void {
  const upstreams = program.command('upstreams').description('the providers that answer');
  upstreams
    .command('list')
    .description('list all upstreams, newest first, and how they are')
    .action(
      action(async (context) => {
        context.printTable(await context.api.all<Upstream>('/upstreams'), [
          ['NAME', ({ name }) => name],
          ['STATE', ({ state }) => state],
          ['BASE URL', ({ base_url }) => base_url],
          ['KIND', ({ kind }) => kind],
          ['PRIORITY', ({ priority }) => priority],
          ['CREDENTIAL', ({ credential_fingerprint }) => credential_fingerprint],
          ['LAST PROBLEM', ({ health }) => health?.last_problem ?? null],
          ['ID', ({ id }) => id],
        ]);
      }),
    );
  upstreams
    .command('create')
    .description('add an upstream')
    .argument('<name>')
    .requiredOption('--base-url <url>', 'such as https://api.openai.com/v1')
    .option('--credential-env <variable>', 'variable of the environment that holds its credential')
    .option('--credential <credential>', 'the credential itself; others on this machine see arguments')
    .option('--kind <kind>', 'openai or codex (default: openai)')
    .option('--priority <number>', 'lower is tried first (default: 100)', wholeNumber)
    .option('--set <json>', 'other fields of the admin API', fields)
    .action(
      action<UpstreamOptions>(async (context, [name = ''], options) => {
        const { baseUrl: base_url, kind, priority, credentialEnv } = options;
        const credential = credentialEnv === undefined ? options.credential : fromEnvironment(credentialEnv);
        const body = { ...given({ name, base_url, kind, priority, credential }), ...options.set };
        const upstream = await context.api.call<Upstream>('POST', '/upstreams', body);
        context.print(upstream, () => `The upstream ${upstream.name} is added: ${upstream.id}`);
      }),
    );
  upstreams
    .command('test')
    .description('ask an upstream for its models: is it there, does it take the credential')
    .argument('<upstream>', 'name or id')
    .action(
      action(async (context, [name = '']) => {
        const id = await idOfNamed(context.api, 'upstream', name);
        const probe = await context.api.call<z.infer<typeof UpstreamProbe>>('POST', `/upstreams/${id}/test`);
        const { ok, status, duration_ms: durationMs, problem } = probe;
        context.print(
          probe,
          () =>
            `${name}: ${ok ? 'fine' : `not fine: ${problem ?? ''}`} (${status ?? 'no answer'}, ${Math.round(durationMs)} ms)`,
        );
        if (!ok) throw new CommandFailure('');
      }),
    );
  for (const [verb, done, description] of [
    ['trip', 'out of use', 'take an upstream out of use, until it is reset; running answers finish'],
    ['reset', 'in use', 'put an upstream back into use, with a clean record'],
  ] as const) {
    upstreams
      .command(verb)
      .description(description)
      .argument('<upstream>', 'name or id')
      .action(
        action(async (context, [name = '']) => {
          const id = await idOfNamed(context.api, 'upstream', name);
          const upstream = await context.api.call<Upstream>('POST', `/upstreams/${id}/${verb}`);
          context.print(upstream, () => `The upstream ${upstream.name} is ${done}.`);
        }),
      );
  }
  upstreams
    .command('delete')
    .description('delete an upstream that no model names')
    .argument('<upstream>', 'name or id')
    .action(
      action(async (context, [name = '']) => {
        const id = await idOfNamed(context.api, 'upstream', name);
        await context.api.call('DELETE', `/upstreams/${id}`);
        context.print({ id }, () => `The upstream ${name} is deleted.`);
      }),
    );
}
