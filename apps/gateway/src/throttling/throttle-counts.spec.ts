import { type Clock, RedisConnection } from '@app/runtime';
import { ThrottleCounts } from './throttle-counts.js';

class StillClock implements Clock {
  nowMs = 5_000;
  now = (): number => this.nowMs;
  monotonic = (): number => this.nowMs;
}

function countsAlone() {
  const clock = new StillClock();
  const counts = new ThrottleCounts(new RedisConnection(null, 'replica'), clock as Clock);
  const hit = (client = '192.0.2.7', blockMs = 0, throttler = 'strangers') =>
    counts.increment(client, 60_000, 3, blockMs, throttler);
  return { clock, counts, hit };
}

describe('the counts of the throttlers', () => {
  it('let through what is allowed, and refuse the rest of the minute that began with the first', async () => {
    const { clock, counts, hit } = countsAlone();
    for (const totalHits of [1, 2, 3]) {
      expect(await hit()).toEqual({ totalHits, timeToExpire: 60, isBlocked: false, timeToBlockExpire: 0 });
    }
    clock.nowMs += 20_500;
    expect(await hit()).toMatchObject({ isBlocked: true, timeToBlockExpire: 40 });
    clock.nowMs += 39_400;
    expect(await hit()).toMatchObject({ isBlocked: true, timeToBlockExpire: 1 });
    clock.nowMs += 100;
    expect(await hit()).toMatchObject({ totalHits: 1, isBlocked: false });
    expect([...counts.refused]).toEqual([['strangers', 2]]);
  });

  it('refuse for as long as is said, from the first that is too many', async () => {
    const { clock, hit } = countsAlone();
    for (let hits = 0; hits < 3; hits++) await hit('192.0.2.7', 900_000);
    clock.nowMs += 50_000;
    expect(await hit('192.0.2.7', 900_000)).toMatchObject({ isBlocked: true, timeToBlockExpire: 900 });
    clock.nowMs += 899_000;
    expect(await hit('192.0.2.7', 900_000)).toMatchObject({ isBlocked: true, timeToBlockExpire: 1 });
    clock.nowMs += 1_000;
    expect((await hit('192.0.2.7', 900_000)).isBlocked).toBe(false);
  });

  it('are apart for each client, and for each throttler', async () => {
    const { hit } = countsAlone();
    for (let hits = 0; hits < 4; hits++) await hit();
    expect((await hit()).isBlocked).toBe(true);
    expect((await hit('192.0.2.8')).isBlocked).toBe(false);
    expect((await hit('192.0.2.7', 0, 'admin')).isBlocked).toBe(false);
  });

  it('hold no more than so many clients, the latest of each throttler', async () => {
    const { counts, hit } = countsAlone();
    for (let hits = 0; hits < 4; hits++) await hit('operator', 0, 'admin_failures');
    for (let client = 0; client < 25_000; client++) await hit(`client-${client}`);
    expect(counts.clients).toBe(10_001);
    expect((await hit('client-24999')).totalHits).toBe(2);
    expect((await hit('operator', 0, 'admin_failures')).isBlocked).toBe(true);
  });
});
