import { retryDelayMs } from './retry-delay.js';

describe('the time between two attempts', () => {
  it('grows from seconds to hours, and ends after nine attempts and a little more than a day', () => {
    const delays = Array.from({ length: 8 }, (_, index) => retryDelayMs(index + 1, 0.5) ?? NaN);
    expect(delays).toEqual([...delays].sort((a, b) => a - b));
    expect(delays[0]).toBe(5_000);
    const hours = delays.reduce((sum, ms) => sum + ms, 0) / 3_600_000;
    expect([hours > 24, hours < 30]).toEqual([true, true]);
    expect(retryDelayMs(9)).toBeNull();
  });

  it('is spread by a fifth in both directions', () => {
    expect([retryDelayMs(1, 0), retryDelayMs(1, 0.999_999)]).toEqual([4_000, 6_000]);
  });
});
