import type { Command } from 'commander';
import type { Page } from '@app/contract';
import { wholeNumber } from '../arguments.js';
import { CommandFailure } from '../command-failure.js';
import { action } from '../context.js';

/** What the command shows of an entry; the API says more. */
interface AuditEntry {
  readonly sequence: number | string;
  readonly at: string;
  readonly actor: string;
  readonly action: string;
  readonly object_id: string;
}

interface Verification {
  readonly verified: boolean;
  readonly entries: number;
  readonly broken_at: number | string | null;
}

/** `tollgate audit …` */
export function addAudit(program: Command): void {
  const audit = program.command('audit').description('who changed what');
  audit
    .command('list')
    .description('list changes, newest first')
    .option('--limit <count>', 'how many (default: 20)', wholeNumber)
    .action(
      action<{ limit?: number }>(async (context, _, { limit = 20 }) => {
        const { data } = await context.api.get<Page<AuditEntry>>(`/audit?limit=${limit}`);
        context.printTable(data, [
          ['#', ({ sequence }) => sequence],
          ['TIME', ({ at }) => at],
          ['ACTOR', ({ actor }) => actor],
          ['ACTION', (entry) => entry.action],
          ['OBJECT', ({ object_id }) => object_id],
        ]);
      }),
    );
  audit
    .command('verify')
    .description('check that nobody has altered the log; ends with 1 when somebody has')
    .action(
      action(async (context) => {
        const verification = await context.api.get<Verification>('/audit/verify');
        const { verified, entries, broken_at: brokenAt } = verification;
        context.print(verification, () =>
          verified ? `All ${entries} entries are as they were written.` : `The log was altered at entry ${brokenAt}.`,
        );
        if (!verified) throw new CommandFailure('');
      }),
    );
}
