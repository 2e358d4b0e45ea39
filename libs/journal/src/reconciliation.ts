import { Injectable } from '@nestjs/common';
import { Prisma, QuestionPool } from '@app/database';
import { type Measure, MEASURES, MEASURES_OF_ROWS } from './usage-totals.js';

/** What is counted of requests, by rows as by totals. */
export type Measured = Readonly<Record<Measure, bigint>>;

/** The rows of a time, counted in three ways. */
export interface RowCounts {
  rows: bigint;
  /** What the rows say themselves. */
  attempts: bigint;
  /** Tries that are told in them one by one. */
  tries: bigint;
  settlements: Readonly<Record<string, number>>;
  outcomes: Readonly<Record<string, number>>;
}

/** An hour or a day, as rows and totals have it. */
export interface Compared {
  readonly start: Date;
  readonly left: Measured;
  readonly right: Measured;
}

type ComparedRow = { start: Date } & Record<`left_${Measure}` | `right_${Measure}`, bigint>;

const UNITS = { hour: '1 hour', day: '1 day' };
const SUMS = MEASURES.map((measure) => `sum(${measure})::int8 AS ${measure}`).join(', ');
const COUNTED = MEASURES.map((measure, index) => `(${MEASURES_OF_ROWS[index]})::int8 AS ${measure}`).join(', ');
const BOTH = MEASURES.map(
  (measure) => `coalesce(l.${measure}, 0) AS left_${measure}, coalesce(r.${measure}, 0) AS right_${measure}`,
).join(', ');

/** Counts what is in the database in more than one way: the ways have to come to the same. Each question sees one moment. */
@Injectable()
export class Reconciliation {
  constructor(private readonly questions: QuestionPool) {}

  /** @throws QuestionGivenUp when there are too many rows in the time */
  async rows(from: Date, to: Date): Promise<RowCounts> {
    const counted = await this.questions.ask<{
      settlement: string;
      outcome: string;
      rows: bigint;
      attempts: bigint;
      tries: bigint;
    }>(Prisma.sql`
      SELECT settlement, outcome, count(*) AS rows, coalesce(sum(attempts), 0)::int8 AS attempts,
        coalesce(sum(CASE outcome WHEN 'gateway_crash' THEN attempts ELSE jsonb_array_length(upstream_attempts) END), 0)::int8 AS tries
      FROM request_log WHERE started_at >= ${from} AND started_at < ${to} GROUP BY settlement, outcome`);
    const total = (name: 'rows' | 'attempts' | 'tries') => counted.reduce((sum, row) => sum + row[name], 0n);
    return {
      rows: total('rows'),
      attempts: total('attempts'),
      tries: total('tries'),
      settlements: byName(counted.map(({ settlement, rows }) => [settlement, rows])),
      outcomes: byName(counted.map(({ outcome, rows }) => [outcome, rows])),
    };
  }

  /** Rows against totals, hour by hour. @param from @param to full hours */
  rowsAndHours(from: Date, to: Date): Promise<Compared[]> {
    const rows = Prisma.sql`
      SELECT date_bin('1 hour', started_at, '2000-01-01Z') AS start, ${Prisma.raw(COUNTED)}
      FROM request_log WHERE started_at >= ${from} AND started_at < ${to} GROUP BY 1`;
    return this.compared(rows, totals('usage_hours', 'hour', from, to));
  }

  /** Totals by the hour against those by the day. @param from @param to full days (UTC) */
  hoursAndDays(from: Date, to: Date): Promise<Compared[]> {
    return this.compared(totals('usage_hours', 'day', from, to), totals('usage_days', 'day', from, to));
  }

  /** Prepaid balances whose last entry in the ledger says something else than they do. */
  async balances(): Promise<{ balances: bigint; wrong: bigint }> {
    const [counted] = await this.questions.ask<{ balances: bigint; wrong: bigint }>(Prisma.sql`
      SELECT count(*) AS balances, count(*) FILTER (
        WHERE credited_nano_usd - spent_nano_usd <> coalesce((
          SELECT balance_nano_usd FROM ledger_entries WHERE ledger_entries.owner_id = prepaid_balances.owner_id
          ORDER BY position DESC LIMIT 1), 0)) AS wrong
      FROM prepaid_balances`);
    return counted ?? { balances: 0n, wrong: 0n };
  }

  private async compared(left: Prisma.Sql, right: Prisma.Sql): Promise<Compared[]> {
    const rows = await this.questions.ask<ComparedRow>(Prisma.sql`
      WITH l AS (${left}), r AS (${right})
      SELECT coalesce(l.start, r.start) AS start, ${Prisma.raw(BOTH)} FROM l FULL JOIN r ON l.start = r.start ORDER BY 1`);
    return rows.map((row) => ({ start: row.start, left: sideOf(row, 'left'), right: sideOf(row, 'right') }));
  }
}

function totals(table: 'usage_hours' | 'usage_days', unit: keyof typeof UNITS, from: Date, to: Date): Prisma.Sql {
  return Prisma.sql`
    SELECT date_bin(${Prisma.raw(`'${UNITS[unit]}'`)}, starts_at, '2000-01-01Z') AS start, ${Prisma.raw(SUMS)}
    FROM ${Prisma.raw(table)} WHERE starts_at >= ${from} AND starts_at < ${to} GROUP BY 1`;
}

function sideOf(row: ComparedRow, side: 'left' | 'right'): Measured {
  return Object.fromEntries(MEASURES.map((measure) => [measure, row[`${side}_${measure}`]])) as Measured;
}

function byName(counts: readonly (readonly [string, bigint])[]): Record<string, number> {
  const sums: Record<string, number> = {};
  for (const [name, count] of counts) sums[name] = (sums[name] ?? 0) + Number(count);
  return sums;
}
