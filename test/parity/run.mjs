// Does the request log tell all that has happened, once? npm run parity [-- options]
//   --requests N        2000
//   --concurrency N     calls at the same time: 64
//   --faults SHARE      of calls that go wrong in some way, 0 to 1: 0.4
// Starts a gateway and the simulator on a PostgreSQL of its own, or on a database of its own on the server of DATABASE_URL; sends
// streams, JSON, compactions, failures, retries, refused calls, clients that leave; prints what has to be equal, and ends with 1
// when anything is not.
import { parseArgs } from 'node:util';
import { runProject } from '../support/long-run.mjs';

const { values: options } = parseArgs({
  options: {
    requests: { type: 'string', default: '2000' },
    concurrency: { type: 'string', default: '64' },
    faults: { type: 'string', default: '0.4' },
  },
});
checkNumber('requests', 1, 100_000);
checkNumber('concurrency', 1, 1_000);
checkNumber('faults', 0, 1);

const { DATABASE_URL } = process.env;
const { status, figures, output } = runProject('parity', {
  isQuiet: true,
  env: {
    ...(DATABASE_URL ? { TEST_DATABASE_URL: DATABASE_URL } : {}),
    PARITY_REQUESTS: options.requests,
    PARITY_CONCURRENCY: options.concurrency,
    PARITY_FAULTS: options.faults,
  },
});
if (figures.lines) printTable(figures);
else console.error(output);
process.exitCode = status;

function checkNumber(name, min, max) {
  const value = Number(options[name]);
  const isWhole = name === 'faults' || Number.isInteger(value);
  if (isWhole && value >= min && value <= max) return;
  console.error(`--${name} must be a number from ${min} to ${max}`);
  process.exit(2);
}

function printTable({ lines, outcomes, triedAgain, cut, seconds }) {
  const whats = Math.max(...lines.map(({ what }) => what.length));
  const numbers = Math.max(...lines.flatMap(({ left, right }) => [String(left).length, String(right).length]));
  for (const { what, left, right } of lines) {
    const isEqual = left === right;
    console.log(
      `${isEqual ? '✓' : '✗'} ${what.padEnd(whats)}  ${String(left).padStart(numbers)} ${isEqual ? '=' : '≠'} ${String(right).padStart(numbers)}`,
    );
  }
  const ended = Object.entries(outcomes).map(([outcome, count]) => `${outcome} ${count}`);
  console.log(`\nended as: ${ended.toSorted().join(', ')}; tried again: ${triedAgain}`);
  console.log(
    `tokens of calls that were cut: ${cut.billedTokens} billed by the upstream, ${cut.estimatedTokens} estimated in rows`,
  );
  const wrong = lines.filter(({ left, right }) => left !== right).length;
  console.log(`${lines.length - wrong} of ${lines.length} equal, ${seconds} s`);
}
