// Gateways that are killed, and a PostgreSQL that is away: npm run chaos [-- -t NAME]. CHAOS_ROUNDS (30), CHAOS_CLIENTS (300),
// CHAOS_OUTAGE_SECONDS (300), CHAOS_PER_SECOND (200), CHAOS_LIMIT_SECONDS (180). Prints all figures as one JSON line at the end.
import { longRun } from '../support/long-run.mjs';

longRun('chaos');
