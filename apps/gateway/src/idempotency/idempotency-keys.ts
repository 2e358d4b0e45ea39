import { createHmac, hkdfSync, randomUUID } from 'node:crypto';
import type { PrismaService } from '@app/database';
import { SecretBox } from '@app/runtime';

/** A request with an `Idempotency-Key`. */
export interface KeyedRequest {
  /** Each caller has keys of his own. */
  readonly actor: string;
  readonly key: string;
  /** Method, path and body: what a twin has in common with it. */
  readonly content: string;
}

/** How a request was answered. */
export interface KeptAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: unknown;
}

/** The right to perform a request, and the duty to say what became of it. */
export interface Claim {
  readonly request: KeyedRequest;
  readonly id: string;
}

export type ClaimResult =
  { is: 'claimed'; claim: Claim } | { is: 'answered'; answer: KeptAnswer } | { is: 'running' } | { is: 'reused' };

/** A claim that nobody renews is over: its process has died. */
const CLAIM_SECONDS = 60;
/** How often it is to be renewed. */
export const RENEW_EVERY_MS = 20_000;
const KEPT_HOURS = 24;
const ROWS_PER_BATCH_MAX = 1_000;

/** A row that is over is taken over as if it were not there; one whose process died only by a twin. */
const CLAIM = `
INSERT INTO idempotency_keys AS held (actor, key, fingerprint, claim_id, claimed_until, created_at)
VALUES ($1, $2, $3, $4, now() + interval '${CLAIM_SECONDS} seconds', now())
ON CONFLICT (actor, key) DO UPDATE SET fingerprint = excluded.fingerprint, claim_id = excluded.claim_id,
  claimed_until = excluded.claimed_until, created_at = excluded.created_at, answer_sealed = NULL
WHERE held.created_at < now() - interval '${KEPT_HOURS} hours'
  OR (held.answer_sealed IS NULL AND held.claimed_until < now() AND held.fingerprint = excluded.fingerprint)`;

/** null as the fingerprint: it is another request's. */
const FIND = `
SELECT fingerprint = $3 AS is_twin, answer_sealed, answer_sealed IS NULL AND claimed_until < now() AS is_abandoned
FROM idempotency_keys WHERE actor = $1 AND key = $2 AND created_at >= now() - interval '${KEPT_HOURS} hours'`;

const RENEW = `
UPDATE idempotency_keys SET claimed_until = now() + interval '${CLAIM_SECONDS} seconds'
WHERE actor = $1 AND key = $2 AND claim_id = $3 AND answer_sealed IS NULL`;

const ANSWER = 'UPDATE idempotency_keys SET answer_sealed = $4 WHERE actor = $1 AND key = $2 AND claim_id = $3';

const RELEASE =
  'DELETE FROM idempotency_keys WHERE actor = $1 AND key = $2 AND claim_id = $3 AND answer_sealed IS NULL';

const DELETE_OLD = `
DELETE FROM idempotency_keys WHERE ctid = ANY (ARRAY(
  SELECT ctid FROM idempotency_keys WHERE created_at < now() - interval '${KEPT_HOURS} hours'
  ORDER BY created_at LIMIT ${ROWS_PER_BATCH_MAX} FOR UPDATE SKIP LOCKED))`;

interface FoundRow {
  is_twin: boolean;
  answer_sealed: Uint8Array | null;
  is_abandoned: boolean;
}

/**
 * The table of requests with an `Idempotency-Key`, shared by all replicas. By the clock of PostgreSQL; what it holds says nothing
 * without MASTER_KEY.
 */
export class IdempotencyKeys {
  private readonly box: SecretBox;
  private readonly fingerprintKey: Buffer;

  constructor(
    private readonly prisma: Pick<PrismaService, 'pool'>,
    masterKey: Buffer,
  ) {
    this.box = new SecretBox(masterKey, 'idempotency-answers');
    this.fingerprintKey = Buffer.from(hkdfSync('sha256', masterKey, '', 'tollgate/idempotency-fingerprints', 32));
  }

  /** Of all twins one gets the claim at a time, whatever replica they come to. */
  async claim(request: KeyedRequest): Promise<ClaimResult> {
    const { actor, key } = request;
    const fingerprint = this.fingerprint(request.content);
    // Looked up first: who waits for a twin asks often, and writes nothing.
    const { rows } = await this.prisma.pool.query<FoundRow>(FIND, [actor, key, fingerprint]);
    const [row] = rows;
    if (row && !row.is_twin) return { is: 'reused' };
    if (row?.answer_sealed) return { is: 'answered', answer: this.open(request, row.answer_sealed) };
    if (row && !row.is_abandoned) return { is: 'running' };
    const id = randomUUID();
    const { rowCount } = await this.prisma.pool.query(CLAIM, [actor, key, fingerprint, id]);
    // Else somebody came in between: another look tells what he wants.
    return rowCount === 1 ? { is: 'claimed', claim: { request, id } } : { is: 'running' };
  }

  /** Lasts from now on as long as a new one. */
  async renew(claim: Claim): Promise<void> {
    await this.prisma.pool.query(RENEW, columnsOf(claim));
  }

  /** Twins get this answer from now on. */
  async answer(claim: Claim, answer: KeptAnswer): Promise<void> {
    const sealed = this.box.seal(JSON.stringify(answer), belongsTo(claim.request));
    await this.prisma.pool.query(ANSWER, [...columnsOf(claim), sealed]);
  }

  /** The next twin performs the request. */
  async release(claim: Claim): Promise<void> {
    await this.prisma.pool.query(RELEASE, columnsOf(claim));
  }

  /** Deletes some of what is older than a day; true when there is more. Replicas that do so at the same time take different rows. */
  async deleteOld(): Promise<boolean> {
    return (await this.prisma.pool.query(DELETE_OLD)).rowCount === ROWS_PER_BATCH_MAX;
  }

  /** Keyed, as a body may hold a password: what it was cannot be found out by trying. */
  private fingerprint(content: string): Buffer {
    return createHmac('sha256', this.fingerprintKey).update(content).digest();
  }

  private open(request: KeyedRequest, sealed: Uint8Array): KeptAnswer {
    return JSON.parse(this.box.open(sealed, belongsTo(request))) as KeptAnswer;
  }
}

function columnsOf({ request, id }: Claim): string[] {
  return [request.actor, request.key, id];
}

function belongsTo({ actor, key }: KeyedRequest): string {
  return JSON.stringify(['idempotency', actor, key]);
}
