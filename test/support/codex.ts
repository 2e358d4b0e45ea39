import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const FETCHED = join(__dirname, '../../node_modules/.cache/codex/node_modules/.bin/codex');
/** What the expectations of test/codex/ were measured with. */
const SERIES = '0.169.';
const TIME_LIMIT_MS = 40_000;
const FLAGS = [
  // What a user of a container without a sandbox and without a repository needs, too.
  '--skip-git-repo-check',
  '--sandbox=danger-full-access',
  // Otherwise it looks for plugins at GitHub and sends metrics to OpenAI while it works.
  '--disable=plugins',
  '--config=analytics.enabled=false',
];

/** A Codex CLI of this machine. */
export interface Codex {
  path: string;
  /** Such as `0.169.0`. */
  version: string;
}

/** The Codex CLI to test with: CODEX_BIN, else what scripts/fetch-codex.mjs installed, else a fitting one on the PATH. */
export function findCodex(): Codex | null {
  const { CODEX_BIN, PATH = '' } = process.env;
  if (CODEX_BIN) {
    const version = versionOf(CODEX_BIN);
    if (version === null) throw new Error(`CODEX_BIN is not a Codex CLI that runs: ${CODEX_BIN}`);
    return { path: CODEX_BIN, version };
  }
  for (const path of [FETCHED, ...PATH.split(delimiter).map((folder) => join(folder, 'codex'))]) {
    const version = versionOf(path);
    if (version?.startsWith(SERIES)) return { path, version };
  }
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
}

/** What a run of Codex left behind. */
export interface CodexRun {
  code: number | null;
  stdout: string;
  stderr: string;
  /** What the terminal shows before its first rule, without the note that there is nothing on stdin. */
  heading: string[];
  /** Its settings as the terminal shows them, such as `model` and `session id`. */
  settings: Record<string, string>;
  /** What the terminal shows from the prompt on. */
  transcript: string[];
}

/** Runs `codex exec` as a user would who has set up nothing but this gateway, and waits for its end. */
export async function runCodex(options: CodexOptions): Promise<CodexRun> {
  const home = options.home ?? newCodexHome();
  try {
    return await execute(options, home);
  } finally {
    if (!options.home) removeCodexHome(home);
  }
}

/** A home folder to run Codex in, by the path that Codex shows. */
export function newCodexHome(): string {
  return mkdtempSync(join(realpathSync(tmpdir()), 'tollgate-codex-'));
}

export function removeCodexHome(home: string): void {
  rmSync(home, { recursive: true, force: true });
}

/** The config.toml of such a user. */
function configuration(baseUrl: string): string {
  return `model = "gpt-5.5"
model_provider = "tollgate"

[model_providers.tollgate]
name = "Tollgate"
base_url = "${baseUrl}"
env_key = "TOLLGATE_KEY"
wire_api = "responses"
`;
}

async function execute({ codex, baseUrl, key, args }: CodexOptions, home: string): Promise<CodexRun> {
  const codexHome = join(home, '.codex');
  const folder = join(home, 'project');
  const temporary = join(home, 'tmp');
  for (const path of [codexHome, folder, temporary]) mkdirSync(path, { recursive: true });
  writeFileSync(join(codexHome, 'config.toml'), configuration(baseUrl));

  const child = spawn(codex.path, ['exec', ...FLAGS, ...args], {
    cwd: folder,
    // Nothing else of this machine, where a proxy or a log level may be set. Codex warns of a home below TMPDIR.
    env: { PATH: process.env.PATH, HOME: home, CODEX_HOME: codexHome, TMPDIR: temporary, TOLLGATE_KEY: key },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIME_LIMIT_MS,
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const [code] = (await once(child, 'close')) as [number | null];
  if (child.killed) throw new Error(`Codex did not end within ${TIME_LIMIT_MS} ms:\n${stdout}${stderr}`);
  return { code, stdout, stderr, ...readTerminal(stderr) };
}

/** The parts of what Codex prints to its user: a heading, its settings between two rules, and the transcript. */
function readTerminal(stderr: string): Pick<CodexRun, 'heading' | 'settings' | 'transcript'> {
  const [heading = '', settings = '', ...transcript] = stderr.split('--------\n');
  return {
    heading: lines(heading).filter((line) => line !== 'Reading additional input from stdin...'),
    settings: Object.fromEntries(lines(settings).map((line) => line.split(': ', 2) as [string, string])),
    transcript: lines(transcript.join('--------\n')),
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
