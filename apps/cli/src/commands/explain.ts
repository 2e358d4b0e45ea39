import type { Command } from 'commander';
import type { Explanation } from '@app/contract';
import { action } from '../context.js';
import { idOfNamed } from '../named.js';
import { table } from '../table.js';

/** `tollgate explain` */
export function addExplain(program: Command): void {
  program
    .command('explain')
    .description('what would become of a call, and why; no call is made')
    .requiredOption('--key <key>', 'name or id of the key')
    .requiredOption('--model <model>', 'model that is asked for')
    .action(
      action<{ key: string; model: string }>(async (context, _, { key, model }) => {
        const key_id = await idOfNamed(context.api, 'key', key);
        const explanation = await context.api.call<Explanation>('POST', '/explain', { key_id, model });
        context.print(explanation, () => text(explanation));
      }),
    );
}

function text({ decision, status, code, checks, candidates }: Explanation): string {
  const verdict = decision === 'served' ? 'It would be served.' : `It would be refused: ${status} ${code ?? ''}.`;
  const rules = table(checks, [
    ['', ({ passed }) => (passed ? '✓' : '✗')],
    ['CHECK', ({ rule }) => rule],
    ['WHY', ({ detail }) => detail],
  ]);
  const upstreams = table(candidates, [
    ['UPSTREAM', ({ upstream_name }) => upstream_name],
    ['MODEL THERE', ({ upstream_model }) => upstream_model],
    ['PRIORITY', ({ priority }) => priority],
    ['STANDING', ({ standing }) => standing],
  ]);
  return [verdict, rules, ...(candidates.length > 0 ? [upstreams] : [])].join('\n\n');
}
