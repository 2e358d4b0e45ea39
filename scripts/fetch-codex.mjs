// Puts the Codex CLIs that test/codex/ runs into node_modules/.cache/, unless they are there already.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const cache = join(dirname(fileURLToPath(import.meta.url)), '../node_modules/.cache');
/** The one that users have, and one that still names its session `session_id` and knows no multi-agent tools. */
const INSTALLATIONS = [
  { version: '0.169.0', folder: join(cache, 'codex') },
  { version: '0.118.0', folder: join(cache, 'codex-0.118.0') },
];

function isInstalled({ version, folder }) {
  const entry = join(folder, 'node_modules/@openai/codex/bin/codex.js');
  try {
    const answer = execFileSync(process.execPath, [entry, '--version'], { encoding: 'utf8', stdio: 'pipe' });
    return answer.trim().split(' ').at(-1) === version;
  } catch {
    return false;
  }
}

function install({ version, folder }) {
  // An installation that was interrupted can look complete to npm, so it always starts from nothing.
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  // Without a package of its own here, npm would take the repository's, and install into that.
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const flags = ['--prefix', '.', '--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
  execFileSync('npm', ['install', ...flags, `@openai/codex@${version}`], {
    cwd: folder, // and not as the prefix: Windows has npm run by a shell, which splits a path at its spaces
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
}

for (const installation of INSTALLATIONS) {
  const { version, folder } = installation;
  if (!isInstalled(installation)) {
    console.log(`Installing the Codex CLI ${version} (200 to 400 MB) ...`);
    install(installation);
    if (!isInstalled(installation)) {
      console.error(`The Codex CLI was installed in ${folder}, but it does not run. Delete that folder and try again.`);
      process.exit(1);
    }
  }
  console.log(`Codex CLI ${version}: ${folder}`);
}
