import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const FETCHED = join(__dirname, '../../node_modules/.cache/codex/node_modules/.bin/codex');
/** What the expectations of the suite were measured with. */
const SERIES = '0.169.';
const MODEL = 'gpt-5.5';
const TIME_LIMIT_MS = 60_000;
// As a user would run it from a script, in a container that has no sandbox and no repository.
const FLAGS = ['--skip-git-repo-check', '--sandbox', 'danger-full-access'];

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
    if (version === null) throw new Error(`CODEX_BIN does not run: ${CODEX_BIN}`);
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
  /** What follows `codex exec` and the flags. */
  args: string[];
  /** A user's home to run in, so that a later run finds the sessions of an earlier one; default: one that is thrown away. */
  home?: string;
}

export interface CodexRun {
  code: number | null;
  stdout: string;
  stderr: string;
}

/** Runs `codex exec` as a user who has nothing configured but this gateway, until it exits. */
export async function runCodex(options: CodexOptions): Promise<CodexRun> {
  const home = options.home ?? mkdtempSync(join(tmpdir(), 'tollgate-codex-'));
  try {
    return await execute(options, home);
  } finally {
    if (!options.home) rmSync(home, { recursive: true, force: true });
  }
}

async function execute({ codex, baseUrl, key, args }: CodexOptions, home: string): Promise<CodexRun> {
  const codexHome = join(home, '.codex');
  const folder = join(home, 'project');
  for (const path of [codexHome, folder]) mkdirSync(path, { recursive: true });
  writeFileSync(join(codexHome, 'config.toml'), configuration(baseUrl));
  const child = spawn(codex.path, ['exec', ...FLAGS, ...args], {
    cwd: folder,
    // Nothing of the machine's own: a proxy, another key or the log level of Codex would change what is tested.
    env: { PATH: process.env.PATH, HOME: home, CODEX_HOME: codexHome, TOLLGATE_KEY: key },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true, // npm's launcher starts the true binary: only the whole group can be ended
  });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const limit = setTimeout(() => process.kill(-(child.pid ?? 0), 'SIGKILL'), TIME_LIMIT_MS);
  try {
    const [code] = (await once(child, 'close')) as [number | null];
    return { code, stdout, stderr };
  } finally {
    clearTimeout(limit);
  }
}

/** The config.toml of docs/codex.md: what a user has to write, and no more. */
function configuration(baseUrl: string): string {
  return `model = "${MODEL}"
model_provider = "tollgate"

[model_providers.tollgate]
name = "Tollgate"
base_url = "${baseUrl}"
env_key = "TOLLGATE_KEY"
wire_api = "responses"
`;
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
