// The long version of test/fuzz: FUZZ_CASES (5000) cases of each property. Prints all figures as one JSON line at the end.
import { longRun } from '../support/long-run.mjs';

const cases = process.env.FUZZ_CASES ?? '5000';
longRun('fuzz', { env: { FUZZ_CASES: cases }, figures: { cases: Number(cases) } });
