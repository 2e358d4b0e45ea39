import type { Command } from 'commander';
import type { Status } from '@app/contract';
import { CommandFailure } from '../command-failure.js';
import { action } from '../context.js';

/** `tollgate status` */
export function addStatus(program: Command): void {
  program
    .command('status')
    .description('how the gateway is; ends with 1 when it is not fine')
    .action(
      action(async (context) => {
        const status = await context.api.get<Status>('/status');
        context.printObject(status);
        if (status.state !== 'ok' || status.database !== 'ok') throw new CommandFailure('');
      }),
    );
}
