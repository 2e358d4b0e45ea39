import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { hashSync, verifySync } from '@node-rs/argon2';
import type { PasswordTask } from './password-hasher.js';

/** OWASP's minimum for argon2id: 19 MiB, two passes. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };
/** Lower than that of all other threads, and yet with a share on a machine that is busy all the time. */
const NICENESS = 5;

// The thread behind PasswordHasher. On Linux a priority is that of a thread, elsewhere it would be that of the whole process.
if (process.platform === 'linux') setPriority(0, NICENESS);

parentPort?.on('message', ({ password, stored }: PasswordTask) => {
  const result = stored === null ? hashSync(password, COST) : verifySync(stored, password);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origins
  parentPort?.postMessage(result);
});
