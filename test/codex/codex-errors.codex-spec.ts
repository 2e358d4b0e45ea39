import { type CodexGeneration, findCodex } from '../support/codex.js';
import { ERROR_CASES, type ErrorCase } from './error-cases.js';
import { type ErrorRun, ErrorScenes } from './error-runs.js';
import { IS_LONG, keepResults } from './results.js';
import type { ErrorCost } from './tables.js';

/** Most of a run is waiting for the next attempt, as Codex paces them. */
const RUNS_AT_ONCE = IS_LONG ? 16 : 8;
const RUN_TIME_LIMIT_MS = IS_LONG ? 300_000 : 60_000;
const ALL_TIMEOUT_MS = IS_LONG ? 1_200_000 : 120_000;

const GENERATIONS: CodexGeneration[] = ['current', 'old'];
const codexes = { current: findCodex('current'), old: findCodex('old') };

function runsOf(generation: CodexGeneration): ErrorRun[] {
  const codex = codexes[generation];
  if (!codex) return [];
  return ERROR_CASES.filter(({ inShortRun }) => IS_LONG || inShortRun === 'both' || inShortRun === generation).map(
    (one: ErrorCase) => ({
      case: one,
      codex,
      expected: one[generation],
      isFull: IS_LONG || !one.isSlow,
      timeLimitMs: RUN_TIME_LIMIT_MS,
      outcome: null,
    }),
  );
}

const runs = { current: runsOf('current'), old: runsOf('old') };
const all = [...runs.current, ...runs.old];

if (all.length > 0) {
  const scenes = new ErrorScenes();
  beforeAll(async () => {
    // The longest first, so that none of them is left to run alone.
    await scenes.play(
      all.toSorted((one, other) => other.expected.requests - one.expected.requests),
      RUNS_AT_ONCE,
    );
  }, ALL_TIMEOUT_MS);
  afterAll(async () => {
    await scenes.stop();
    const costs = ERROR_CASES.flatMap((one) => all.filter((run) => run.case === one).map(({ outcome }) => outcome));
    keepResults({ errors: costs.filter((cost): cost is ErrorCost => cost !== null && !(cost instanceof Error)) });
  });
}

describe.each(GENERATIONS)('The %s Codex CLI', (generation) => {
  const tests = runs[generation].map((run) => ({ what: run.case.what, run }));
  if (tests.length === 0) return it.skip('is not installed', () => undefined);

  it.each(tests)('costs its user as few requests as can be, and says what to do: $what', ({ run }) => {
    if (run.outcome instanceof Error) throw run.outcome;
    const { requests, upstreamRequests = requests, text, exitCode = 1 } = run.expected;
    expect(run.outcome).toMatchObject({ ...(run.isFull ? { requests, upstreamRequests } : {}), text, exitCode });
  });
});
