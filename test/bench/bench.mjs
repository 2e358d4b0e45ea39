// Compares the gateway with a bare proxy on the same machine in the same run: npm run bench [-- options]
//   --quick             a few seconds, nothing is written: does it still run?
//   --only NAME         json, large, burst or paced; may be repeated
//   --rounds N          rounds per target
//   --seconds S         length of a round
//   --out FILE          where the results go (a full run: test/bench/results/latest.json)
//   --gateway FILE      entry point of the gateway's build; repeated, two builds are compared
//   --limits            besides, the same gateway with every limit on key and group
//   --bodies            besides, the same gateway with a key whose bodies are all stored
//   --node-args=ARGS    for the gateways' processes, e.g. "--node-args=--cpu-prof --cpu-prof-dir=/tmp/profiles"
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { atTheEnd, checkPlatform, cleanUp } from './processes.mjs';
import { print, summary, write } from './report.mjs';
import { scenarios } from './scenarios.mjs';
import { OWN_GATEWAY, startTargets } from './targets.mjs';

const FULL = { rounds: 5, seconds: 6, warmUpSeconds: 2, pacedRounds: 2, pacedSeconds: 3, pacedStreams: 200 };
const QUICK = { rounds: 1, seconds: 1, warmUpSeconds: 0.5, pacedRounds: 1, pacedSeconds: 1, pacedStreams: 20 };
/** Beyond what its load takes, a run is given this long before it is cut. */
const SLACK_SECONDS = 180;

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    only: { type: 'string', multiple: true },
    rounds: { type: 'string' },
    seconds: { type: 'string' },
    out: { type: 'string' },
    gateway: { type: 'string', multiple: true, default: [OWN_GATEWAY] },
    limits: { type: 'boolean', default: false },
    bodies: { type: 'boolean', default: false },
    'node-args': { type: 'string', default: '' },
  },
});
const plan = options.quick ? { ...QUICK } : { ...FULL };
if (options.rounds) plan.rounds = plan.pacedRounds = Number(options.rounds);
if (options.seconds) plan.seconds = Number(options.seconds);
const chosen = scenarios.filter(({ name }) => !options.only || options.only.includes(name));
const isFullRun = !options.quick && chosen.length === scenarios.length && options.gateway[0] === OWN_GATEWAY;
const latest = join(dirname(fileURLToPath(import.meta.url)), 'results/latest.json');
const out = options.out ?? (isFullRun ? latest : null);

for (const signal of ['SIGINT', 'SIGTERM']) {
  process.once(signal, () => {
    void cleanUp().then(() => process.exit(130));
  });
}
try {
  checkPlatform();
  const results = await measureAll();
  for (const result of results) print(result);
  if (out) {
    await write(out, results);
    console.log(`\nwritten to ${out}`);
  }
} catch (error) {
  console.error(error);
  process.exitCode = 1;
} finally {
  await cleanUp();
}

async function measureAll() {
  const targets = await startTargets({
    gateways: options.gateway,
    isLimited: options.limits,
    isStored: options.bodies,
    nodeArgs: options['node-args'].split(' ').filter(Boolean),
  });
  boundInTime(targets.length * chosen.length * (plan.rounds * plan.seconds + plan.warmUpSeconds));
  const results = [];
  for (const scenario of chosen) {
    const isPaced = scenario.name === 'paced';
    const warmUp = { ...plan, seconds: plan.warmUpSeconds, pacedSeconds: plan.warmUpSeconds };
    for (const target of targets) await scenario.run(target, warmUp);
    const rounds = [];
    while (rounds.length < (isPaced ? plan.pacedRounds : plan.rounds)) rounds.push(await oneRound(scenario, targets));
    results.push(summary(scenario, rounds));
  }
  return results;
}

/** One round: every target in turn, so that all of them meet the same state of the machine. */
async function oneRound(scenario, targets) {
  const figures = {};
  for (const target of targets) {
    figures[target.name] = await scenario.run(target, plan);
    const { [scenario.ratioOf]: micros, requestsPerSecond } = figures[target.name];
    const line = `${scenario.name.padEnd(6)} ${target.name.padEnd(9)} ${micros.toFixed(1).padStart(8)} µs`;
    console.log(`${line} ${requestsPerSecond.toFixed(0).padStart(7)} requests/s`);
  }
  return figures;
}

/** Cuts a run that hangs. */
function boundInTime(loadSeconds) {
  const cut = setTimeout(
    () => {
      console.error('the benchmark has run for too long and is cut');
      void cleanUp().then(() => process.exit(1));
    },
    (loadSeconds + SLACK_SECONDS) * 1000,
  );
  atTheEnd(() => clearTimeout(cut));
}
