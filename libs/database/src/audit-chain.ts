import { Injectable } from '@nestjs/common';
import { Prisma } from './generated/client.js';
import { QuestionPool } from './question-pool.js';

/**
 * What is wrong at a place of the chain. `altered`: the entry does not fit its hash and the entry before it; `missing`: retention has not
 * dropped it, and it is not there; `repeated`: its number is there twice; `unknown`: the end of the chain is another one.
 */
export type AuditFault = 'altered' | 'missing' | 'repeated' | 'unknown';

/** How far a chain could be followed. */
export interface AuditVerification {
  /** The entries that are as they were. */
  readonly entries: number;
  readonly first: bigint | null;
  readonly last: bigint | null;
  /** The first fault; null: there is none. */
  readonly brokenAt: { readonly sequence: bigint; readonly fault: AuditFault } | null;
}

/** From there on the chain is followed: the entry of this number has this hash. */
interface Anchor {
  readonly sequence: bigint;
  readonly hash: Buffer;
}

interface Batch {
  readonly rows: number;
  readonly entries: number;
  readonly first: bigint | null;
  readonly last: bigint | null;
  readonly last_hash: Buffer | null;
  readonly broken_at: bigint | null;
  readonly fault: AuditFault | null;
  readonly dropped_behind: bigint;
  readonly dropped_hash: Buffer | null;
  readonly head: bigint | null;
  readonly head_hash: Buffer | null;
}

const ENTRIES_PER_QUESTION = 5_000;
const BEGINNING: Anchor = { sequence: 0n, hash: Buffer.alloc(0) };

/** Follows the chain of the audit log, some thousands of entries at a time: however long it is, no question takes long. */
@Injectable()
export class AuditChain {
  constructor(private readonly questions: QuestionPool) {}

  /**
   * Whether every entry of a time is there, and as it was. Without `from` nothing may be missing before the first one but what retention
   * has dropped; without `to` nothing behind the last one.
   *
   * @param isWanted asked between questions: false ends the work
   */
  async verify(
    { from, to }: { readonly from?: Date; readonly to?: Date },
    isWanted: () => boolean = () => true,
  ): Promise<AuditVerification> {
    const start = from === undefined ? { anchor: BEGINNING } : await this.startOf(from, to);
    const until = to === undefined ? null : await this.lastBefore(to);
    if (start === null || (to !== undefined && until === null)) return UNBROKEN;
    if (start.anchor === null) return { ...UNBROKEN, brokenAt: { sequence: start.missing, fault: 'missing' } };
    let { anchor } = start;
    let verified = UNBROKEN;
    for (;;) {
      const batch = await this.batchBehind(anchor, until);
      verified = {
        entries: verified.entries + batch.entries,
        first: verified.first ?? batch.first,
        last: batch.last ?? verified.last,
        brokenAt: batch.fault === null ? null : { sequence: batch.broken_at ?? 0n, fault: batch.fault },
      };
      if (verified.brokenAt !== null || !isWanted()) return verified;
      anchor = { sequence: batch.last ?? anchor.sequence, hash: batch.last_hash ?? anchor.hash };
      if (batch.rows < ENTRIES_PER_QUESTION) {
        return until === null ? { ...verified, brokenAt: faultAtEnd(anchor, batch) } : verified;
      }
    }
  }

  /** What the first entry of a time rests on; `anchor` is null when that is missing. null: there is no entry. */
  private async startOf(
    from: Date,
    to: Date | undefined,
  ): Promise<{ anchor: Anchor } | { anchor: null; missing: bigint } | null> {
    const until = to === undefined ? Prisma.empty : Prisma.sql`AND at < ${to}`;
    const [row] = await this.questions.ask<{ number: bigint | null; hash: Buffer | null }>(Prisma.sql`
      WITH start AS (SELECT min(sequence) - 1 AS number FROM audit_entries WHERE at >= ${from} ${until})
      SELECT number, coalesce(
        (SELECT hash FROM audit_entries WHERE sequence = number LIMIT 1),
        (SELECT last_hash FROM audit_dropped WHERE last_sequence = number)
      ) AS hash FROM start`);
    if (!row || row.number === null) return null;
    const { number: sequence, hash } = row;
    if (sequence === 0n) return { anchor: BEGINNING };
    return hash === null ? { anchor: null, missing: sequence } : { anchor: { sequence, hash } };
  }

  private async lastBefore(to: Date): Promise<bigint | null> {
    const [row] = await this.questions.ask<{ last: bigint | null }>(
      Prisma.sql`SELECT max(sequence) AS last FROM audit_entries WHERE at < ${to}`,
    );
    return row?.last ?? null;
  }

  private async batchBehind({ sequence, hash }: Anchor, until: bigint | null): Promise<Batch> {
    const [batch] = await this.questions.ask<Batch>(batchStatement(sequence, hash, until));
    return batch as Batch;
  }
}

const UNBROKEN: AuditVerification = { entries: 0, first: null, last: null, brokenAt: null };

/** All that is behind the last entry must have been dropped, and the head must know the last of it. */
function faultAtEnd(last: Anchor, batch: Batch): AuditVerification['brokenAt'] {
  const end = last.sequence + batch.dropped_behind;
  if (batch.head !== null && batch.head > end) return { sequence: end + 1n, fault: 'missing' };
  const isKnown = batch.head === end && batch.head_hash?.equals(batch.dropped_hash ?? last.hash);
  return isKnown ? null : { sequence: end, fault: 'unknown' };
}

/**
 * One question about the next entries and where the chain ends, so that what is added or dropped meanwhile is no fault. It begins with the
 * entry that is known already: a second one of its number would be passed over else.
 */
function batchStatement(after: bigint, hash: Buffer, until: bigint | null): Prisma.Sql {
  return Prisma.sql`
    WITH batch AS MATERIALIZED (
      SELECT * FROM audit_entries
      WHERE sequence >= ${after}::bigint AND (${until}::bigint IS NULL OR sequence <= ${until}::bigint)
      ORDER BY sequence LIMIT ${ENTRIES_PER_QUESTION}
    ), linked AS (
      SELECT *, row_number() OVER (ORDER BY sequence) AS place,
        coalesce(lag(sequence) OVER (ORDER BY sequence), ${after}::bigint) AS previous,
        coalesce(lag(hash) OVER (ORDER BY sequence), ${hash}::bytea) AS previous_hash
      FROM batch
    ), judged AS (
      SELECT sequence, hash, previous, CASE
        WHEN sequence = previous THEN 'repeated'
        WHEN sequence > previous + 1 AND sequence - previous - 1 <> (
          SELECT coalesce(sum(last_sequence - first_sequence + 1), 0) FROM audit_dropped
          WHERE first_sequence > previous AND last_sequence < sequence
        ) THEN 'missing'
        WHEN hash IS DISTINCT FROM audit_hash(
          CASE WHEN sequence = previous + 1 THEN previous_hash
            ELSE (SELECT last_hash FROM audit_dropped WHERE last_sequence = sequence - 1) END,
          sequence, id, at, actor, action, object_type, object_id, before, after, ip, request_id
        ) THEN 'altered'
      END AS fault
      FROM linked WHERE NOT (place = 1 AND sequence = ${after}::bigint)
    ), broken AS (
      SELECT fault, CASE
        WHEN fault = 'missing' THEN (
          SELECT min(candidate) FROM (
            SELECT previous + 1 UNION ALL
            SELECT last_sequence + 1 FROM audit_dropped WHERE first_sequence > previous AND last_sequence < sequence
          ) AS candidates (candidate)
          WHERE NOT EXISTS (SELECT FROM audit_dropped WHERE candidate BETWEEN first_sequence AND last_sequence)
        ) ELSE sequence END AS broken_at, sequence AS found_at
      FROM judged WHERE fault IS NOT NULL ORDER BY sequence LIMIT 1
    ), good AS (
      SELECT count(*)::int AS entries, min(sequence) AS first, max(sequence) AS last
      FROM judged WHERE sequence < coalesce((SELECT found_at FROM broken), 9223372036854775807)
    ), behind AS (
      SELECT coalesce(sum(last_sequence - first_sequence + 1), 0)::bigint AS dropped_behind, max(last_sequence) AS end
      FROM audit_dropped WHERE first_sequence > coalesce((SELECT last FROM good), ${after}::bigint)
    )
    SELECT (SELECT count(*)::int FROM batch) AS rows, good.*,
      (SELECT hash FROM judged WHERE sequence = good.last LIMIT 1) AS last_hash,
      (SELECT broken_at FROM broken) AS broken_at, (SELECT fault FROM broken) AS fault, dropped_behind,
      (SELECT last_hash FROM audit_dropped WHERE last_sequence = behind.end) AS dropped_hash,
      (SELECT sequence FROM audit_head) AS head, (SELECT hash FROM audit_head) AS head_hash
    FROM good, behind`;
}
