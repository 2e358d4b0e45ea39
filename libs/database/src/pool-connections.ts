import type pg from 'pg';

/** The connections of a pool, by what they do, and how many statements wait for one. */
export interface PoolConnections {
  readonly in_use: number;
  readonly idle: number;
  readonly waiting: number;
}

/** Counts the connections of a pool. */
export function connectionsOf({ totalCount, idleCount, waitingCount }: pg.Pool): PoolConnections {
  return { in_use: totalCount - idleCount, idle: idleCount, waiting: waitingCount };
}
