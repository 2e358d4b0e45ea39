import { Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { Reconciliation as Answer, type ReconciliationCheck, ReconciliationQuery } from '@app/contract';
import { type Compared, type Measure, MEASURES, Reconciliation, RequestLog } from '@app/journal';
import { formatUsd } from '@app/models';
import { Clock } from '@app/runtime';
import { StorageSettings } from '@app/storage';
import { Permit } from '../identity/permissions.js';
import { GatewayMetrics } from '../health/gateway-metrics.js';
import { AdminController } from './admin.decorators.js';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const DIFFERENCES_MAX = 100;

type Difference = Answer['differences'][number];

/** Shows that the numbers add up: what is counted in two ways comes to the same. */
@AdminController('reconciliation')
export class ReconciliationController {
  constructor(
    private readonly reconciliation: Reconciliation,
    private readonly log: RequestLog,
    private readonly metrics: GatewayMetrics,
    private readonly storage: StorageSettings,
    private readonly clock: Clock,
  ) {}

  @Get()
  @Permit('status:read')
  @ApiOperation({
    summary: 'Whether it adds up: requests and their ends, tries and calls, totals and rows, balances and ledger',
    description: 'Of a time within 31 days. What is not equal is a fault of the gateway: report it.',
  })
  @ApiOkResponse({ standardSchema: Answer })
  async read(@Query({ schema: ReconciliationQuery }) query: ReconciliationQuery): Promise<Answer> {
    const { from, to } = this.timeOf(query);
    const days = { from: ceiled(from, DAY_MS), to: floored(to, DAY_MS) };
    const [rows, hours, byDay, balances] = await Promise.all([
      this.reconciliation.rows(from, to),
      this.reconciliation.rowsAndHours(from, to),
      days.from < days.to ? this.reconciliation.hoursAndDays(days.from, days.to) : [],
      this.reconciliation.balances(),
    ]);
    const { began, ended, running } = this.metrics.requestsSinceStart;
    const { open = 0, ...settled } = rows.settlements;
    const checks: ReconciliationCheck[] = [
      check(
        'requests',
        'Requests since the start of this replica = those that have ended and those that run',
        began,
        ended + running,
      ),
      check('lost_rows', 'Rows that this replica has lost since its start = 0', this.log.rowsDropped, 0),
      check(
        'settlements',
        'Rows of the time = those whose usage is settled, in whatever way',
        rows.rows,
        Number(rows.rows) - open,
      ),
      check('upstream_attempts', 'Attempts by number = attempts that are told one by one', rows.attempts, rows.tries),
      compared(
        'totals_by_hour',
        'Requests of the rows = requests of the totals by the hour; the other measures, too',
        hours,
      ),
      compared(
        'totals_by_day',
        'Requests of the totals by the hour = those by the day, of whole days (UTC); the other measures, too',
        byDay,
      ),
      check(
        'balances',
        'Prepaid balances that are not what their last entry in the ledger says = 0',
        balances.wrong,
        0,
      ),
    ];
    return {
      from: from.toISOString(),
      to: to.toISOString(),
      is_balanced: checks.every(({ is_equal: isEqual }) => isEqual),
      checks,
      differences: [...differences('totals_by_hour', hours), ...differences('totals_by_day', byDay)].slice(
        0,
        DIFFERENCES_MAX,
      ),
      settlements: open > 0 ? { ...settled, open } : settled,
      outcomes: rows.outcomes,
      journal: {
        rows_pending: this.log.rowsPending,
        oldest_pending_seconds: this.log.oldestPendingAgeMs / 1000,
        bytes: this.log.journal.bytes,
      },
    };
  }

  /** Totals are kept longer than rows: a day whose rows are gone would look wrong. */
  private timeOf(query: ReconciliationQuery): { from: Date; to: Date } {
    const nowMs = this.clock.now();
    const to = query.to ? Date.parse(query.to) : nowMs;
    const from = query.from ? Date.parse(query.from) : to - DAY_MS;
    const firstDay = ceiled(new Date(nowMs - this.storage.current.requestRowsDays * DAY_MS), DAY_MS);
    const begin = new Date(Math.max(floored(new Date(from), HOUR_MS).getTime(), firstDay.getTime()));
    return { from: begin, to: new Date(Math.max(begin.getTime(), ceiled(new Date(to), HOUR_MS).getTime())) };
  }
}

function check(
  name: ReconciliationCheck['name'],
  description: string,
  left: bigint | number,
  right: bigint | number,
): ReconciliationCheck {
  return { name, description, is_equal: String(left) === String(right), left: String(left), right: String(right) };
}

function compared(name: Difference['check'], description: string, all: readonly Compared[]): ReconciliationCheck {
  const sum = (side: 'left' | 'right') => all.reduce((total, one) => total + one[side].requests, 0n);
  return { ...check(name, description, sum('left'), sum('right')), is_equal: differences(name, all).length === 0 };
}

function differences(name: Difference['check'], all: readonly Compared[]): Difference[] {
  return all.flatMap(({ start, left, right }) =>
    MEASURES.filter((measure) => left[measure] !== right[measure]).map((measure) => ({
      check: name,
      start: start.toISOString(),
      measure: measure === 'cost_nano_usd' ? 'cost_usd' : measure,
      left: shown(measure, left[measure]),
      right: shown(measure, right[measure]),
    })),
  );
}

function shown(measure: Measure, amount: bigint): string {
  return measure === 'cost_nano_usd' ? formatUsd(amount) : String(amount);
}

function floored(time: Date, unitMs: number): Date {
  return new Date(Math.floor(time.getTime() / unitMs) * unitMs);
}

function ceiled(time: Date, unitMs: number): Date {
  return new Date(Math.ceil(time.getTime() / unitMs) * unitMs);
}
