import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const CACHE = join(__dirname, '../../node_modules/.cache');
const BIN = 'node_modules/.bin/codex';
/** What the expectations of test/codex/ were measured with, and where scripts/fetch-codex.mjs puts it. */
const GENERATIONS = {
  current: { series: '0.169.', fetched: join(CACHE, 'codex', BIN), variable: 'CODEX_BIN' },
  old: { series: '0.118.', fetched: join(CACHE, 'codex-0.118.0', BIN), variable: 'CODEX_OLD_BIN' },
} as const;
const TIME_LIMIT_MS = 40_000;
const FLAGS = [
  // What a user of a container without a sandbox and without a repository needs, too.
  '--skip-git-repo-check',
  '--sandbox=danger-full-access',
  // Otherwise it looks for plugins at GitHub and sends metrics to OpenAI while it works.
  '--disable=plugins',
  '--config=analytics.enabled=false',
];

const ERROR = 'ERROR: ';

/** A Codex CLI of this machine. */
export interface Codex {
  path: string;
  /** Such as `0.169.0`. */
  version: string;
}

export type CodexGeneration = keyof typeof GENERATIONS;

/**
 * The Codex CLI to test with: CODEX_BIN (CODEX_OLD_BIN for the old one), else what scripts/fetch-codex.mjs installed, else a
 * fitting one on the PATH. Without one, says how to get it.
 */
export function findCodex(generation: CodexGeneration = 'current'): Codex | null {
  const { series, fetched, variable } = GENERATIONS[generation];
  const given = process.env[variable];
  if (given) {
    const version = versionOf(given);
    if (version === null) throw new Error(`${variable} is not a Codex CLI that runs: ${given}`);
    return { path: given, version };
  }
  const { PATH = '' } = process.env;
  for (const path of [fetched, ...PATH.split(delimiter).map((folder) => join(folder, 'codex'))]) {
    const version = versionOf(path);
    if (version?.startsWith(series)) return { path, version };
  }
  process.stderr.write(
    `No Codex CLI ${series}x: its tests are skipped. \`npm run test:codex\` installs it and runs them.\n`,
  );
  return null;
}

export interface CodexOptions {
  codex: Codex;
  baseUrl: string;
  key: string;
  /** What follows `codex exec` and its flags. */
  args: string[];
  /** A home for several runs, so that the later ones find the sessions of the earlier ones; default: one for this run. */
  home?: string;
  /** `openai`: the one that is built in, by `openai_base_url` and CODEX_API_KEY; default: one of the user's own. */
  provider?: 'tollgate' | 'openai';
  /** What that own provider is called; Codex takes one called `OpenAI` for OpenAI itself. */
  providerName?: string;
  /** From how many tokens on Codex compacts the session. */
  autoCompactTokens?: number;
  /** More of that own provider's settings, such as `stream_max_retries`. */
  settings?: Record<string, number>;
  timeLimitMs?: number;
}

/** What a run of Codex left behind. */
export interface CodexRun {
  code: number | null;
  stdout: string;
  stderr: string;
  durationMs: number;
  /** What the terminal shows before its first rule, without the note that there is nothing on stdin. */
  heading: string[];
  /** Its settings as the terminal shows them, such as `model` and `session id`. */
  settings: Record<string, string>;
  /** What the terminal shows from the prompt on. */
  transcript: string[];
  /** The error that the terminal shows last, without its `ERROR: `; null without one. */
  error: string | null;
}

/** Runs `codex exec` as a user would who has set up nothing but this gateway, and waits for its end. */
export async function runCodex(options: CodexOptions): Promise<CodexRun> {
  const home = options.home ?? newCodexHome();
  try {
    const { stderr, ...ended } = await execute(options, home, ['exec', ...FLAGS, ...options.args]);
    return { stderr, ...ended, ...readTerminal(stderr) };
  } finally {
    if (!options.home) removeCodexHome(home);
  }
}

/** What `codex doctor` says of such a user's installation. */
export async function askDoctor(options: Omit<CodexOptions, 'args'> & { home: string }): Promise<string> {
  const { stdout } = await execute({ ...options, args: [] }, options.home, ['doctor']);
  return stdout;
}

/** A home folder to run Codex in, by the path that Codex shows. */
export function newCodexHome(): string {
  return mkdtempSync(join(realpathSync(tmpdir()), 'tollgate-codex-'));
}

export function removeCodexHome(home: string): void {
  rmSync(home, { recursive: true, force: true });
}

/** The folder that Codex works in, in such a home. */
export function projectFolder(home: string): string {
  return join(home, 'project');
}

/** The config.toml of such a user. */
function configuration(options: CodexOptions): string {
  const { baseUrl, provider, providerName = 'Tollgate', autoCompactTokens, settings = {} } = options;
  if (provider === 'openai') return `model = "gpt-5.5"\nopenai_base_url = "${baseUrl}"\n`;
  const more = Object.entries(settings).map(([name, value]) => `${name} = ${value}\n`);
  const limit = autoCompactTokens === undefined ? '' : `model_auto_compact_token_limit = ${autoCompactTokens}\n`;
  return `model = "gpt-5.5"
model_provider = "tollgate"
${limit}
[model_providers.tollgate]
name = "${providerName}"
base_url = "${baseUrl}"
env_key = "TOLLGATE_KEY"
wire_api = "responses"
${more.join('')}`;
}

type Ended = Pick<CodexRun, 'code' | 'stdout' | 'stderr' | 'durationMs'>;

async function execute(options: CodexOptions, home: string, args: string[]): Promise<Ended> {
  const { codex, key, provider, timeLimitMs = TIME_LIMIT_MS } = options;
  const codexHome = join(home, '.codex');
  const folder = projectFolder(home);
  const temporary = join(home, 'tmp');
  for (const path of [codexHome, folder, temporary]) mkdirSync(path, { recursive: true });
  writeFileSync(join(codexHome, 'config.toml'), configuration(options));

  const startedAtMs = performance.now();
  const child = spawn(codex.path, args, {
    cwd: folder,
    // Nothing else of this machine, where a proxy or a log level may be set. Codex warns of a home below TMPDIR.
    env: {
      PATH: process.env.PATH,
      HOME: home,
      CODEX_HOME: codexHome,
      TMPDIR: temporary,
      [provider === 'openai' ? 'CODEX_API_KEY' : 'TOLLGATE_KEY']: key,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: timeLimitMs,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code] = (await once(child, 'close')) as [number | null];
  if (child.killed) throw new Error(`Codex did not end within ${timeLimitMs} ms:\n${stdout}${stderr}`);
  return { code, stdout, stderr, durationMs: performance.now() - startedAtMs };
}

/** The parts of what Codex prints to its user: a heading, its settings between two rules, and the transcript. */
function readTerminal(stderr: string): Omit<CodexRun, keyof Ended> {
  const [heading = '', settings = '', ...rest] = stderr.split('--------\n');
  const transcript = lines(rest.join('--------\n'));
  const lastError = transcript.findLastIndex((line) => line.startsWith(ERROR));
  const report = lastError < 0 ? null : transcript.slice(lastError).join('\n').slice(ERROR.length);
  return {
    heading: lines(heading).filter((line) => line !== 'Reading additional input from stdin...'),
    settings: Object.fromEntries(lines(settings).map((line) => line.split(': ', 2) as [string, string])),
    transcript,
    error: report?.split('\ntokens used\n')[0] ?? null,
  };
}

function lines(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}

function versionOf(path: string): string | null {
  try {
    // "codex-cli 0.169.0"
    const answer = execFileSync(path, ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
    return answer.trim().split(' ').at(-1) ?? null;
  } catch {
    return null;
  }
}
