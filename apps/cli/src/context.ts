import type { Command } from 'commander';
import { AdminApi } from './admin-api.js';
import { type Column, table } from './table.js';

interface GlobalOptions {
  readonly url: string;
  readonly token?: string;
  readonly json?: boolean;
}

/** What every command has: the gateway, and how its answers are printed. */
export class Context {
  readonly api: AdminApi;
  readonly isJson: boolean;

  constructor(command: Command) {
    const { url, token, json = false } = command.optsWithGlobals<GlobalOptions>();
    const address = url.replace(/\/+$/, '');
    this.api = new AdminApi(address, token ?? (process.env.TOLLGATE_ADMIN_TOKEN || null));
    this.isJson = json;
  }

  /** JSON for scripts, else what is made of it for people. */
  print(value: unknown, forPeople: () => string): void {
    const text = this.isJson ? JSON.stringify(value, null, 2) : forPeople();
    if (text !== '') process.stdout.write(`${text}\n`);
  }

  printTable<T>(rows: readonly T[], columns: readonly Column<T>[]): void {
    this.print(rows, () => (rows.length === 0 ? 'none' : table(rows, columns)));
  }

  /** An object, field by field. */
  printObject(object: object): void {
    const rows = Object.entries(object).filter(([, value]) => value !== null && !isEmpty(value));
    this.print(object, () =>
      table(rows, [
        ['FIELD', ([name]) => name],
        ['VALUE', ([, value]) => (typeof value === 'object' ? JSON.stringify(value) : String(value))],
      ]),
    );
  }
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}

/** Makes an action of what a command does: its arguments come first, its options behind them. */
export function action<Options>(
  run: (context: Context, names: string[], options: Options) => Promise<void>,
): (...given: unknown[]) => Promise<void> {
  return async (...given) => {
    const command = given.at(-1) as Command;
    await run(new Context(command), command.args, command.opts() as Options);
  };
}
