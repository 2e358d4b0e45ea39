import { DateTime } from 'luxon';

/** Over what time a limit counts: the last so long, or a part of the calendar in some time zone. */
export type PlanPeriod =
  | { readonly kind: 'rolling'; readonly ms: number }
  | { readonly kind: 'calendar'; readonly unit: CalendarUnit; readonly timeZone: string };

export type CalendarUnit = 'day' | 'week' | 'month';

const UNIT_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const ROLLING = /^(\d{1,6})([mhd])$/;
const ROLLING_MS_MAX = 366 * UNIT_MS.d;
const CALENDAR: readonly string[] = ['day', 'week', 'month'] satisfies CalendarUnit[];

/** `5h`, `7d` or `day`, `week`, `month`; null for anything else. */
export function parsePeriod(text: string, timeZone: string): PlanPeriod | null {
  if (CALENDAR.includes(text)) return { kind: 'calendar', unit: text as CalendarUnit, timeZone };
  const [, count = '', unit = ''] = ROLLING.exec(text) ?? [];
  const ms = Number(count) * (UNIT_MS[unit as keyof typeof UNIT_MS] ?? 0);
  return ms > 0 && ms <= ROLLING_MS_MAX ? { kind: 'rolling', ms } : null;
}

/** When the part of the calendar that a time lies in begins and ends; days of a change of clocks are longer or shorter. */
export function calendarSpan(
  { unit, timeZone }: Extract<PlanPeriod, { kind: 'calendar' }>,
  atMs: number,
): { startMs: number; endMs: number } {
  const start = DateTime.fromMillis(atMs, { zone: timeZone }).startOf(unit);
  return {
    startMs: start.toMillis(),
    endMs: start
      .plus({ [unit]: 1 })
      .startOf(unit)
      .toMillis(),
  };
}
