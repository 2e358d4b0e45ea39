import { Command } from 'commander';
import { addAudit } from './commands/audit.js';
import { addConfig } from './commands/config.js';
import { addExplain } from './commands/explain.js';
import { addGroups } from './commands/groups.js';
import { addKeys } from './commands/keys.js';
import { addModels } from './commands/models.js';
import { addRequests } from './commands/requests.js';
import { addStatus } from './commands/status.js';
import { addUpstreams } from './commands/upstreams.js';
import { addUsage } from './commands/usage.js';
import { selftestCommand } from './selftest/command.js';

const DEFAULT_URL = 'http://127.0.0.1:8080';

const AFTER_HELP = `
The first steps, with a gateway that runs on this machine:

  export TOLLGATE_ADMIN_TOKEN=tga-…        # printed at its first start
  tollgate upstreams create openai --base-url https://api.openai.com/v1 --credential-env OPENAI_API_KEY
  tollgate groups create team --models 'gpt-*'
  tollgate keys create ann --group team    # prints the key, and how Codex is told of it

Objects are named by their name or id. With --json each command prints what the admin API answers.
Exit codes: 0 fine, 1 failed, 2 there are changes (config diff), 64 wrong usage.`;

/** The command line. */
export function makeProgram(): Command {
  const program = new Command('tollgate')
    .description('Looks after a Tollgate gateway, by its admin API')
    .option('--url <url>', 'address of the gateway; TOLLGATE_URL says it, too', process.env.TOLLGATE_URL || DEFAULT_URL)
    .option('--token <token>', 'admin token; better given as TOLLGATE_ADMIN_TOKEN, as others see arguments')
    .option('--json', 'print JSON, for scripts')
    .helpOption('-h, --help', 'show help')
    .addHelpText('after', AFTER_HELP)
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .showSuggestionAfterError();
  addKeys(program);
  addGroups(program);
  addModels(program);
  addUpstreams(program);
  addRequests(program);
  addUsage(program);
  addStatus(program);
  addExplain(program);
  addAudit(program);
  addConfig(program);
  selftestCommand(program);
  return program;
}
