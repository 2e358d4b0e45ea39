import * as fc from 'fast-check';
import type { Clock } from '@app/runtime';
import { type Admittance, Limiter, type Reservation } from './limiter.js';
import { subjectLimits } from './subject-limits.js';

const NONE = {
  requestsPerMinute: null,
  inputTokensPerMinute: null,
  tokensPerMinute: null,
  maxConcurrency: null,
  budgetNanoUsd: null,
};
const of = (tokens: number) => ({ inputTokens: tokens, tokens, nanoUsd: tokens });
const NEVER = new AbortController().signal;

class StillClock implements Clock {
  nowMs = 1_780_000_000_000;
  now = (): number => this.nowMs;
  monotonic = (): number => this.nowMs;
}

function limiterWith(key: object, group: object = {}) {
  const clock = new StillClock();
  const limiter = new Limiter(clock as Clock);
  limiter.adopt('key', 'k', subjectLimits({ ...NONE, ...key }));
  limiter.adopt('group', 'g', subjectLimits({ ...NONE, ...group }));
  return { clock, limiter, subjects: () => limiter.subjectsOf('k', 'g', null) };
}

const reservationOf = (admitted: Admittance): Reservation | null =>
  'reservation' in admitted ? admitted.reservation : null;

describe('a limiter', () => {
  it('lets 60 requests a minute through under ten times the load, minute after minute', () => {
    const { clock, limiter, subjects } = limiterWith({ requestsPerMinute: 60 });
    let served = 0;
    for (let tenth = 0; tenth < 1_800; tenth++) {
      clock.nowMs += 100;
      const reservation = reservationOf(limiter.admit(subjects(), of(0)));
      if (reservation) served++;
      reservation?.settle();
    }
    expect(served).toBeGreaterThanOrEqual(180 * 0.99);
    expect(served).toBeLessThanOrEqual(180 * 1.01);
  });

  it('never goes beyond a budget by more than one call, when calls use what they were expected to', () => {
    const property = fc.property(
      fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 20, maxLength: 80 }),
      (sizes) => {
        const { limiter, subjects } = limiterWith({ budgetNanoUsd: 1_000n });
        const running: { reservation: Reservation; size: number }[] = [];
        for (const [index, size] of sizes.entries()) {
          const reservation = reservationOf(limiter.admit(subjects(), of(size)));
          if (reservation) running.push({ reservation, size });
          if (index % 3 === 0) {
            const ended = running.shift();
            ended?.reservation.settle(of(ended.size));
          }
        }
        for (const { reservation, size } of running) reservation.settle(of(size));
        const [budget] = limiter.states(subjects());
        expect(budget?.used).toBeLessThan(1_000 + 400);
        expect(budget?.reserved).toBe(0);
      },
    );
    fc.assert(property, { numRuns: 300 });
  });

  it('wakes the next in turn when the one that was woken is refused', async () => {
    const { limiter, subjects } = limiterWith({ maxConcurrency: 1, requestsPerMinute: 2 });
    const first = reservationOf(limiter.admit(subjects(), of(0)));
    const waiting = Array.from({ length: 4 }, () => limiter.admitInTurn(subjects(), of(0), 60_000, NEVER));
    first?.settle();
    const [second, ...others] = await Promise.all([
      waiting[0]?.then((admitted) => {
        reservationOf(admitted)?.settle();
        return admitted;
      }),
      ...waiting.slice(1),
    ]);
    expect(second).toHaveProperty('reservation');
    for (const admitted of others) expect(admitted).toMatchObject({ refusal: { kind: 'rule' } });
    expect(limiter.admit(subjects(), of(0))).toMatchObject({ refusal: { kind: 'rule' } });
  });

  it('gives a place of the group to another when its first in turn waits for one of its key', async () => {
    const clock = new StillClock();
    const limiter = new Limiter(clock as Clock);
    for (const id of ['a', 'b']) limiter.adopt('key', id, subjectLimits({ ...NONE, maxConcurrency: 1 }));
    limiter.adopt('group', 'g', subjectLimits({ ...NONE, maxConcurrency: 2 }));
    const [a, b] = [limiter.subjectsOf('a', 'g', null), limiter.subjectsOf('b', 'g', null)];
    const ofA = reservationOf(limiter.admit(a, of(0)));
    const ofB = reservationOf(limiter.admit(b, of(0)));
    const nextOfA = limiter.admitInTurn(a, of(0), 60_000, NEVER);
    const nextOfB = limiter.admitInTurn(b, of(0), 60_000, NEVER);
    ofB?.settle();
    reservationOf(await nextOfB)?.settle();
    ofA?.settle();
    expect(reservationOf(await nextOfA)).not.toBeNull();
  });

  it('lets those who wait begin when a limit is raised, and forgets those who leave', async () => {
    const { limiter, subjects } = limiterWith({ maxConcurrency: 1 });
    reservationOf(limiter.admit(subjects(), of(0)));
    const leaving = new AbortController();
    const left = limiter.admitInTurn(subjects(), of(0), 60_000, leaving.signal);
    const waiting = [1, 2].map(() => limiter.admitInTurn(subjects(), of(0), 60_000, NEVER));
    leaving.abort();
    expect(await left).toMatchObject({ refusal: { kind: 'concurrency' } });
    limiter.adopt('key', 'k', subjectLimits({ ...NONE, maxConcurrency: 3 }));
    for (const admitted of await Promise.all(waiting)) expect(admitted).toHaveProperty('reservation');
  });

  it('keeps what was used when a limit is changed, and what is held', () => {
    const { limiter, subjects } = limiterWith({ tokensPerMinute: 100 });
    const running = reservationOf(limiter.admit(subjects(), of(60)));
    limiter.adopt('key', 'k', subjectLimits({ ...NONE, tokensPerMinute: 90, budgetNanoUsd: 1_000n }));
    expect(limiter.admit(subjects(), of(60))).toMatchObject({ refusal: { kind: 'rule', isOnlyHeld: true } });
    running?.settle(of(70));
    // The budget that came meanwhile counts it, too.
    expect(limiter.states(subjects()).map(({ id, used, reserved }) => [id, used, reserved])).toEqual([
      ['key.budget', 70, 0],
      ['key.tokens_per_minute', 70, 0],
    ]);
  });
});
