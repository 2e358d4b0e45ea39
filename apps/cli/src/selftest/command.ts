import { type Command, InvalidArgumentError } from 'commander';
import { SelfTestError } from './expectations.js';
import { hasPassed, toJson, toTable } from './report.js';
import { runSelfTest, type SelfTestReport } from './self-test.js';

interface Options {
  readonly url: string;
  readonly token?: string;
  readonly simulatorHost?: string;
  readonly keepAliveSeconds: number;
  readonly patience: number;
  readonly only: readonly string[];
  readonly json?: boolean;
  readonly keep?: boolean;
}

const INTERRUPTED = 130;

/** Adds `selftest`: proves on a running gateway that it keeps its promises to Codex. */
export function selftestCommand(program: Command): void {
  program
    .command('selftest')
    .description('Prove on a running gateway that it keeps its promises to Codex; what that needs is made and removed')
    .option('--simulator-host <host>', 'how the gateway reaches this machine, when it is not on the same one')
    .option('--keep-alive-seconds <seconds>', 'SSE_KEEP_ALIVE_SECONDS of the gateway', moreThanNothing, 15)
    .option('--patience <times>', 'what every time limit is multiplied by, for a slow machine', moreThanNothing, 1)
    .option('--only <name...>', 'these checks only', [])
    .option('--keep', 'leave the groups, keys, upstreams and models that were made')
    .action(async (_: object, command: Command) => {
      process.exitCode = await selfTest(command.optsWithGlobals<Options>());
    });
}

async function selfTest(options: Options): Promise<number> {
  const { url, token = process.env.TOLLGATE_ADMIN_TOKEN } = options;
  if (!token) return refuse('An admin token is needed: --token, or TOLLGATE_ADMIN_TOKEN in the environment.');
  const interruption = new AbortController();
  const interrupt = (): void => interruption.abort(new SelfTestError('The self-test was ended.'));
  // Once: whoever presses Ctrl-C again wants it to end now, whatever it leaves.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupt);
  try {
    const { simulatorHost, keepAliveSeconds, patience, only, keep: keeps = false } = options;
    const address = url.replace(/\/+$/, '');
    const wanted = { url: address, token, simulatorHost, keepAliveSeconds, patience, only, keeps };
    return show(await runSelfTest(wanted, interruption.signal), options, interruption.signal);
  } catch (error) {
    if (!(error instanceof SelfTestError)) throw error;
    return interruption.signal.aborted ? INTERRUPTED : refuse(error.message);
  } finally {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupt);
  }
}

function show(report: SelfTestReport, { json = false }: Options, { aborted }: AbortSignal): number {
  process.stdout.write(json ? toJson(report) : toTable(report));
  if (aborted) return INTERRUPTED;
  return hasPassed(report) ? 0 : 1;
}

function refuse(sentence: string): 1 {
  process.stderr.write(`${sentence}\n`);
  return 1;
}

function moreThanNothing(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value > 0) return value;
  throw new InvalidArgumentError('It must be a number, more than 0.');
}
