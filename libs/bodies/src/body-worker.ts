import { parentPort } from 'node:worker_threads';
import { type BodyJob, sealBodies } from './body-sealing.js';

// The thread behind BodyThread: what was held of a request comes in, what is stored of it goes out. It imports little: it starts again
// whenever a job had to be ended.
parentPort?.on('message', (job: BodyJob) => {
  // Each in memory of its own: small buffers share theirs, which cannot be handed over.
  const bodies = sealBodies(job).map((body) => ({ ...body, content: new Uint8Array(body.content) }));
  parentPort?.postMessage(
    bodies,
    bodies.map(({ content }) => content.buffer),
  );
});
