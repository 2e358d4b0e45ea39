// Puts the Codex CLI that test/codex/ runs into node_modules/.cache/codex/, unless it is there already.
import { execFileSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const VERSION = '0.169.0';
const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const folder = join(root, 'node_modules/.cache/codex');
const entry = join(folder, 'node_modules/@openai/codex/bin/codex.js');

function isInstalled() {
  try {
    const answer = execFileSync(process.execPath, [entry, '--version'], { encoding: 'utf8', stdio: 'pipe' });
    return answer.trim().split(' ').at(-1) === VERSION;
  } catch {
    return false;
  }
}

function install() {
  // An installation that was interrupted can look complete to npm, so it always starts from nothing.
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  // Without a package of its own here, npm would take the repository's, and install into that.
  writeFileSync(join(folder, 'package.json'), '{ "private": true }\n');
  const flags = ['--prefix', '.', '--no-save', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'];
  execFileSync('npm', ['install', ...flags, `@openai/codex@${VERSION}`], {
    cwd: folder, // and not as the prefix: Windows has npm run by a shell, which splits a path at its spaces
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
}

if (!isInstalled()) {
  console.log(`Installing the Codex CLI ${VERSION} (about 400 MB) ...`);
  install();
  if (!isInstalled()) {
    console.error(`The Codex CLI was installed in ${folder}, but it does not run. Delete that folder and try again.`);
    process.exit(1);
  }
}
console.log(`Codex CLI ${VERSION}: ${folder}`);
