import * as fc from 'fast-check';
import { meterFor } from './meter.js';
import { calendarSpan, parsePeriod, type PlanPeriod } from './plan-period.js';

const at = (text: string): number => Date.parse(text);
const calendar = (unit: string, timeZone: string) =>
  parsePeriod(unit, timeZone) as Extract<PlanPeriod, { kind: 'calendar' }>;

describe('parsePeriod', () => {
  it.each([
    ['5h', { kind: 'rolling', ms: 18_000_000 }],
    ['7d', { kind: 'rolling', ms: 604_800_000 }],
    ['day', { kind: 'calendar', unit: 'day', timeZone: 'UTC' }],
    ['0h', null],
    ['367d', null],
    ['year', null],
    ['', null],
  ])('%j', (text, expected) => expect(parsePeriod(text, 'UTC')).toEqual(expected));
});

describe('a part of the calendar', () => {
  it.each([
    ['day', 'UTC', '2026-11-25T10:00:00Z', '2026-11-25T00:00:00Z', '2026-11-26T00:00:00Z'],
    ['week', 'UTC', '2026-11-25T10:00:00Z', '2026-11-23T00:00:00Z', '2026-11-30T00:00:00Z'],
    ['month', 'UTC', '2026-01-31T23:59:59Z', '2026-01-01T00:00:00Z', '2026-02-01T00:00:00Z'],
    ['month', 'UTC', '2028-02-29T12:00:00Z', '2028-02-01T00:00:00Z', '2028-03-01T00:00:00Z'],
    ['day', 'Europe/Berlin', '2026-03-29T10:00:00Z', '2026-03-28T23:00:00Z', '2026-03-29T22:00:00Z'],
    ['day', 'Europe/Berlin', '2026-10-25T10:00:00Z', '2026-10-24T22:00:00Z', '2026-10-25T23:00:00Z'],
    ['day', 'Asia/Shanghai', '2026-11-25T16:30:00Z', '2026-11-25T16:00:00Z', '2026-11-26T16:00:00Z'],
  ])('%s in %s at %s', (unit, zone, now, start, end) =>
    expect(calendarSpan(calendar(unit, zone), at(now))).toEqual({ startMs: at(start), endMs: at(end) }),
  );

  it('has 23 or 25 hours on the days of a change of clocks', () => {
    const hoursOf = (time: string) =>
      (meterFor(calendar('day', 'Europe/Berlin')).periodMs({ wallMs: at(time), monotonicMs: 0 }) ?? 0) / 3_600_000;
    expect(hoursOf('2026-03-29T10:00:00Z')).toBe(23);
    expect(hoursOf('2026-10-25T10:00:00Z')).toBe(25);
  });

  it('holds every time, and is followed by the next without a gap, in any zone', () => {
    const property = fc.property(
      fc.constantFrom('day', 'week', 'month'),
      fc.constantFrom(
        'UTC',
        'Europe/Berlin',
        'America/New_York',
        'Asia/Shanghai',
        'Australia/Lord_Howe',
        'America/Sao_Paulo',
      ),
      fc.integer({ min: at('2020-01-01T00:00:00Z'), max: at('2035-01-01T00:00:00Z') }),
      (unit, zone, nowMs) => {
        const period = calendar(unit, zone);
        const { startMs, endMs } = calendarSpan(period, nowMs);
        expect(startMs).toBeLessThanOrEqual(nowMs);
        expect(endMs).toBeGreaterThan(nowMs);
        expect(calendarSpan(period, endMs).startMs).toBe(endMs);
        expect(calendarSpan(period, startMs - 1).endMs).toBe(startMs);
      },
    );
    fc.assert(property, { numRuns: 400 });
  });
});

describe.each([
  ['5h', 5 * 3_600_000],
  ['day', 24 * 3_600_000],
])('a meter of %s', (text, periodMs) => {
  it('never gives back what was used within its period, however the clock is set', () => {
    const step = fc.record({
      afterMs: fc.integer({ min: 0, max: 3_600_000 }),
      stepMs: fc.constantFrom(0, 0, 0, 3_600_000, -3_600_000),
      amount: fc.integer({ min: 1, max: 100 }),
    });
    const property = fc.property(fc.array(step, { minLength: 1, maxLength: 40 }), (steps) => {
      const meter = meterFor(parsePeriod(text, 'Europe/Berlin'));
      let monotonicMs = 0;
      let wallMs = at('2026-10-24T20:00:00Z');
      let last = 0;
      let setBackMs = 0;
      let lastEndMs = Infinity;
      for (const { afterMs, stepMs, amount } of steps) {
        monotonicMs += afterMs;
        wallMs += afterMs + stepMs;
        setBackMs += Math.max(0, -stepMs);
        const now = { monotonicMs, wallMs };
        const isSamePeriod = wallMs < lastEndMs && afterMs === 0;
        expect(meter.used(now)).toBeGreaterThanOrEqual(isSamePeriod ? last : 0);
        meter.add(amount, now);
        last = meter.used(now);
        expect(last).toBeGreaterThanOrEqual(amount);
        const resetsAtMs = meter.resetsAtMs(0, now) ?? Infinity;
        expect(resetsAtMs).toBeGreaterThan(wallMs);
        // A day of a change of clocks is an hour longer, a bucket of a rolling window some minutes.
        expect(resetsAtMs).toBeLessThanOrEqual(wallMs + periodMs + 3_600_000 + setBackMs);
        lastEndMs = resetsAtMs;
      }
    });
    fc.assert(property, { numRuns: 300 });
  });
});
