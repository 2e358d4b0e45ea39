import * as fc from 'fast-check';
import { RollingWindow } from './rolling-window.js';

const MINUTE_MS = 60_000;

describe('a rolling window', () => {
  it('forgets what is older than its period, and not before, to a 240th of it', () => {
    const window = new RollingWindow(MINUTE_MS);
    window.add(3, 1_000);
    window.add(4, 31_000);
    expect(window.used(61_000)).toBe(7);
    expect(window.used(61_250)).toBe(4);
    expect(window.used(91_250)).toBe(0);
  });

  it('tells when there is room again', () => {
    const window = new RollingWindow(MINUTE_MS);
    for (let second = 0; second < 60; second++) window.add(1, second * 1_000);
    expect(window.msUntilAtMost(59, 59_000)).toBe(1_250);
    expect(window.msUntilAtMost(50, 59_000)).toBe(10_250);
    expect(window.msUntilAtMost(60, 59_000)).toBe(0);
  });

  it('counts what exact arithmetic counts, but for one bucket', () => {
    const event = fc.record({ afterMs: fc.integer({ min: 0, max: 20_000 }), amount: fc.integer({ min: 0, max: 50 }) });
    const property = fc.property(fc.array(event, { maxLength: 60 }), (events) => {
      const window = new RollingWindow(MINUTE_MS);
      const exact: { atMs: number; amount: number }[] = [];
      let nowMs = 0;
      const within = (periodMs: number) =>
        exact.reduce((sum, { atMs, amount }) => (atMs > nowMs - periodMs ? sum + amount : sum), 0);
      for (const { afterMs, amount } of events) {
        nowMs += afterMs;
        window.add(amount, nowMs);
        exact.push({ atMs: nowMs, amount });
        expect(window.used(nowMs)).toBeLessThanOrEqual(within(MINUTE_MS + MINUTE_MS / 240));
        expect(window.used(nowMs)).toBeGreaterThanOrEqual(within(MINUTE_MS));
        const waitMs = window.msUntilAtMost(20, nowMs);
        expect(window.used(nowMs + waitMs)).toBeLessThanOrEqual(20);
        nowMs += waitMs;
      }
    });
    fc.assert(property, { numRuns: 500 });
  });
});
