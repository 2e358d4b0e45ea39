// What a run is worth: medians over its rounds, as a table for people and as JSON to be kept.
import { mkdirSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname } from 'node:path';
import { format } from 'prettier';
import { median } from './statistics.mjs';

const BARE = 'bare';

/**
 * Sums up a scenario.
 *
 * @param rounds one object per round: target name → figures of that round
 * @returns per target the medians of its figures, and its ratio to the bare proxy: the median over the rounds, each round
 *   compared with its own bare proxy, so that a noisy neighbour meets both
 */
export function summary({ name, title, ratioOf }, rounds) {
  const targets = {};
  for (const target of Object.keys(rounds[0])) {
    const figures = {};
    for (const figure of Object.keys(rounds[0][target])) {
      figures[figure] = round(median(rounds.map((of) => of[target][figure])));
    }
    const ratios = rounds.map((of) => of[target][ratioOf] / of[BARE][ratioOf]);
    targets[target] = { ...figures, ratio: round(median(ratios)), ratios: ratios.map(round) };
  }
  return { name, title, ratioOf, rounds: rounds.length, targets };
}

/** Prints one scenario. */
export function print({ title, ratioOf, rounds, targets }) {
  console.log(`\n${title} (median of ${rounds}; ratio of ${ratioOf})`);
  const rows = Object.entries(targets).map(([target, { ratios, ...figures }]) => [target, figures, ratios]);
  console.table(Object.fromEntries(rows.map(([target, figures]) => [target, figures])));
  for (const [target, , ratios] of rows) {
    if (target !== BARE)
      console.log(`${target}/${BARE} by round: ${ratios.map((ratio) => ratio.toFixed(2)).join('  ')}`);
  }
}

/** Writes the results with what they were measured on. */
export async function write(file, scenarios) {
  const [cpu] = cpus();
  const results = {
    date: new Date().toISOString(),
    node: process.version,
    cpu: `${cpu?.model ?? 'unknown'}, ${cpus().length} cores`,
    scenarios,
  };
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, await format(JSON.stringify(results), { parser: 'json', printWidth: 120 }));
}

function round(value) {
  return Math.round(value * 100) / 100;
}
