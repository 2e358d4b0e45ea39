// The order of the specs: those that take long first, so that none of them is left to run alone at the end. On a fresh
// machine Jest knows no durations and goes by the size of the files.
const { existsSync } = require('node:fs');
const { join } = require('node:path');
const Sequencer = require('@jest/test-sequencer').default;

/** What takes more than 12 s of a run on two cores, longest first. */
const SLOW = [
  'test/e2e/start.e2e-spec.ts',
  'test/e2e/journal-crash.e2e-spec.ts',
  'test/codex/codex-errors.codex-spec.ts',
  'test/codex/codex-compaction.codex-spec.ts',
  'test/e2e/retention.e2e-spec.ts',
  'test/e2e/ssrf.e2e-spec.ts',
  'test/e2e/migrations.e2e-spec.ts',
  'test/e2e/bodies-apart.e2e-spec.ts',
  'test/e2e/journal-full.e2e-spec.ts',
  'test/e2e/journal-outage.e2e-spec.ts',
  'test/e2e/selftest.e2e-spec.ts',
  'test/e2e/config.e2e-spec.ts',
  'test/e2e/cli.e2e-spec.ts',
  'test/e2e/compaction.e2e-spec.ts',
  'test/codex/codex-work.codex-spec.ts',
  'test/e2e/stored-responses.e2e-spec.ts',
  'test/e2e/context-limits.e2e-spec.ts',
  'test/e2e/failover.e2e-spec.ts',
  'test/e2e/sealed-compactions.e2e-spec.ts',
  'test/codex/codex-cli.codex-spec.ts',
  'test/e2e/openai-sdk.e2e-spec.ts',
].map((path) => join(__dirname, '../..', path));

module.exports = class LongestFirst extends Sequencer {
  sort(tests) {
    const gone = SLOW.find((path) => !existsSync(path));
    if (gone) throw new Error(`${__filename} lists a spec that is not there: ${gone}`);
    const place = ({ path }) => (SLOW.includes(path) ? SLOW.indexOf(path) : SLOW.length);
    return super.sort(tests).toSorted((one, other) => place(one) - place(other));
  }
};
