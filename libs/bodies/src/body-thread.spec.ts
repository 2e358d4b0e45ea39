import type { BodyJob } from './body-sealing.js';
import { BodyThread } from './body-thread.js';

/** A thread that does what the first header says. */
const SCRIPT = `
import { parentPort } from 'node:worker_threads';
parentPort.on('message', ({ headers: [[act]], requestId }) => {
  if (act === 'throw') throw new Error('quotes the body: canary');
  else if (act !== 'hang') parentPort.postMessage([{ kind: requestId }]);
});`;
const worker = new URL(`data:text/javascript,${encodeURIComponent(SCRIPT)}`);

const job = (act: string, requestId = 'id'): BodyJob => ({
  requestId,
  bytesMax: 1,
  rules: { patterns: [], jsonPaths: [] },
  key: new Uint8Array(32),
  headers: [[act, '']],
  request: new Uint8Array(1),
  response: new Uint8Array(1),
  requestBytes: 1,
  responseBytes: 1,
  pieces: { ends: new Uint32Array(1), atMs: new Float64Array(1) },
});

describe('BodyThread', () => {
  it('ends a job that takes too long, and goes on with the next', async () => {
    const thread = new BodyThread({ worker, jobMsMax: 1_500 });
    const hanging = thread.seal(job('hang'));
    const next = thread.seal(job('', 'next'));
    await expect(hanging).rejects.toMatchObject({ reason: 'timeout' });
    expect(await next).toEqual([{ kind: 'next' }]);
    await thread.stop();
  });

  it('outlives a job that it dies of, and never tells what stood in it', async () => {
    const thread = new BodyThread({ worker });
    const dying = thread.seal(job('throw'));
    const next = thread.seal(job('', 'next'));
    const error = await dying.catch((caught: unknown) => caught);
    expect(error).toMatchObject({ reason: 'failed' });
    expect(String(error)).not.toContain('canary');
    expect(await next).toEqual([{ kind: 'next' }]);
    await thread.stop();
  });
});
