import { eventually } from '../../../test/support/eventually.js';
import { TokenEstimator, type TokenEstimatorOptions } from './token-estimator.js';

/** A thread that does what the body says: a number is answered, other words are acts. */
const SCRIPT = `
import { parentPort, threadId } from 'node:worker_threads';
parentPort.on('message', (body) => {
  const text = Buffer.from(body).toString();
  if (text === 'thread') parentPort.postMessage(threadId);
  else if (text === 'exit') process.exit(3);
  else if (text === 'throw') throw new Error('broken');
  else if (text === 'heap') { const held = []; for (;;) held.push(Array.from({ length: 1e5 }, () => ({}))); }
  else if (text !== 'hang') parentPort.postMessage(Number(text));
});`;
const worker = new URL(`data:text/javascript,${encodeURIComponent(SCRIPT)}`);

const open: TokenEstimator[] = [];
function estimator(options: TokenEstimatorOptions = {}): (text: string) => Promise<number> {
  const made = new TokenEstimator({ worker, ...options });
  open.push(made);
  return (text) => made.estimate(Buffer.from(text));
}
afterEach(async () => {
  await Promise.all(open.splice(0).map((made) => made.onApplicationShutdown()));
});

describe('TokenEstimator', () => {
  it('answers every job with its own number', async () => {
    const estimate = estimator();
    expect(await Promise.all(['1', '2', '3'].map(estimate))).toEqual([1, 2, 3]);
  });

  it('leaves the body to its owner', async () => {
    const made = new TokenEstimator({ worker });
    open.push(made);
    const body = Buffer.from(new ArrayBuffer(2));
    body.write('42');
    expect(await made.estimate(body)).toBe(42);
    expect(body.toString()).toBe('42');
  });

  it('keeps one thread as long as it works', async () => {
    const estimate = estimator();
    expect(await estimate('thread')).toBe(await estimate('thread'));
  });

  it.each([
    ['exits', 'exit'],
    ['throws', 'throw'],
    ['needs too much memory', 'heap'],
  ])('refuses the job on which the thread %s, and does the next in a new one', async (_, act) => {
    const estimate = estimator({ heapMbMax: 16 });
    const [died, next] = await Promise.allSettled([estimate(act), estimate('7')]);
    expect(died).toMatchObject({ status: 'rejected', reason: { message: expect.stringContaining('died') } });
    expect(next).toMatchObject({ status: 'fulfilled', value: 7 });
  });

  it('gives up a job that takes too long, and does the next', async () => {
    const estimate = estimator({ jobTimeoutMs: 200 });
    const [hung, next] = await Promise.allSettled([estimate('hang'), estimate('7')]);
    expect(hung).toMatchObject({ status: 'rejected', reason: { message: 'the estimate took too long' } });
    expect(next).toMatchObject({ status: 'fulfilled', value: 7 });
  });

  it('refuses at once what is too much to wait', async () => {
    const estimate = estimator({ jobsMax: 1 });
    const [running, waiting] = [estimate('1'), estimate('2')];
    await expect(estimate('3')).rejects.toThrow('too many estimates are waiting');
    expect(await Promise.all([running, waiting])).toEqual([1, 2]);
  });

  it('lets go of an idle thread and starts another one when it is needed', async () => {
    const estimate = estimator({ idleMs: 0 });
    const first = await estimate('thread');
    const second = await eventually('another thread', async () => {
      const now = await estimate('thread');
      return now === first ? undefined : now;
    });
    expect(second).toBeGreaterThan(first);
  });

  it('ends its thread and refuses its jobs at shutdown', async () => {
    const made = new TokenEstimator({ worker });
    const jobs = Promise.allSettled(['hang', '2'].map((text) => made.estimate(Buffer.from(text))));
    await made.onApplicationShutdown();
    expect((await jobs).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await expect(made.estimate(Buffer.from('1'))).rejects.toThrow('shutting down');
  });
});
