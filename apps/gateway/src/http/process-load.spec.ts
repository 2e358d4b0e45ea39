import { eventually } from '../../../../test/support/eventually.js';
import { ProcessLoad } from './process-load.js';

function block(ms: number): undefined {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

it('tells how late and how busy the event loop was, and how full the heap is', async () => {
  const load = new ProcessLoad(1);
  load.start();
  try {
    let isBlocked = false;
    const late = await eventually('a late loop', () => {
      // What is late is seen when the loop has turned, not at once.
      isBlocked = !isBlocked;
      if (isBlocked) return block(80);
      const sample = load.sample();
      return sample.loopDelayMs >= 60 ? sample : undefined;
    });
    expect(late.loopBusyShare).toBeGreaterThan(0.3);
    expect(late.loopBusyShare).toBeLessThanOrEqual(1);
    expect(late.heapShare).toBeGreaterThan(0);
    expect(late.heapShare).toBeLessThan(1);
    await eventually('a quiet loop', () => (load.sample().loopDelayMs < 60 ? true : undefined));
  } finally {
    load.stop();
  }
});
