import { Injectable } from '@nestjs/common';
import { Prisma, QuestionPool } from '@app/database';
import { Clock } from '@app/runtime';
import { StorageSettings } from '@app/storage';
import { decryptBody, placeOf } from './body-cipher.js';
import { decompressBody } from './body-codec.js';
import { BodyKeyBox, dayOf } from './body-keys.js';
import type { BodyContents, BodyKind } from './body-sealing.js';

/** A body as it can be read. */
export interface ReadBody<Contents> {
  readonly bytes: number;
  readonly storedBytes: number;
  readonly isTruncated: boolean;
  readonly isRedacted: boolean;
  readonly contents: Contents;
}

/** What is stored of a request. */
export interface ReadBodies {
  readonly expiresAt: Date;
  readonly request: ReadBody<BodyContents['request']> | null;
  readonly response: ReadBody<BodyContents['response']> | null;
  readonly events: ReadBody<BodyContents['events']> | null;
}

/** Why there is none: its time is over, it was erased, this version of Node cannot read it, or it never was there. */
export type BodyAbsence = 'expired' | 'erased' | 'unreadable' | 'unknown';

/** The request that is asked about. */
export interface BodySubject {
  readonly id: string;
  readonly startedAt: Date;
  readonly keyId: string | null;
  readonly groupId: string | null;
}

interface StoredBody {
  readonly kind: BodyKind;
  readonly body_key_id: string;
  readonly codec: string;
  readonly bytes: bigint;
  readonly stored_bytes: number;
  readonly is_truncated: boolean;
  readonly is_redacted: boolean;
  readonly keep_until: Date | null;
  readonly content: Uint8Array;
  /** null: the key was dropped. */
  readonly wrapped_key: Uint8Array | null;
}

const DAY_MS = 86_400_000;

/** Finds what is stored of a request, and opens it. */
@Injectable()
export class BodySearch {
  constructor(
    private readonly questions: QuestionPool,
    private readonly box: BodyKeyBox,
    private readonly settings: StorageSettings,
    private readonly clock: Clock,
  ) {}

  /** Whether there is anything of a request that can be read. */
  async isStored(id: string, startedAt: Date): Promise<boolean> {
    if (this.clock.now() >= this.lastsUntilMs(startedAt)) return false;
    const found = await this.questions.ask(Prisma.sql`
      SELECT 1 FROM request_bodies b JOIN body_keys k ON k.id = b.body_key_id
      WHERE b.started_at = ${startedAt} AND b.request_id = ${id}::uuid AND (keep_until IS NULL OR keep_until > now()) LIMIT 1`);
    return found.length > 0;
  }

  async find(subject: BodySubject): Promise<ReadBodies | BodyAbsence> {
    const { id, startedAt } = subject;
    const lastsUntilMs = this.lastsUntilMs(startedAt);
    const nowMs = this.clock.now();
    if (nowMs >= lastsUntilMs) return 'expired';
    const rows = await this.questions.ask<StoredBody>(Prisma.sql`
      SELECT b.*, k.wrapped_key FROM request_bodies b LEFT JOIN body_keys k ON k.id = b.body_key_id
      WHERE b.started_at = ${startedAt} AND b.request_id = ${id}::uuid`);
    const [first] = rows;
    if (!first) return (await this.wasErased(subject)) ? 'erased' : 'unknown';
    const keptUntilMs = first.keep_until?.getTime() ?? Infinity;
    if (nowMs >= keptUntilMs) return 'expired';
    if (rows.some((row) => row.wrapped_key === null)) return 'erased';
    try {
      return await this.opened(id, rows, new Date(Math.min(lastsUntilMs, keptUntilMs)));
    } catch {
      return 'unreadable';
    }
  }

  private lastsUntilMs(startedAt: Date): number {
    return startedAt.getTime() + this.settings.current.requestBodiesDays * DAY_MS;
  }

  private async opened(id: string, rows: readonly StoredBody[], expiresAt: Date): Promise<ReadBodies> {
    const read = new Map<string, ReadBody<never>>();
    for (const row of rows) {
      const key = this.box.open(row.body_key_id, row.wrapped_key ?? new Uint8Array());
      const plain = await decompressBody(row.codec, decryptBody(key, row.content, placeOf(id, row.kind)));
      read.set(row.kind, {
        bytes: Number(row.bytes),
        storedBytes: row.stored_bytes,
        isTruncated: row.is_truncated,
        isRedacted: row.is_redacted,
        contents: JSON.parse(plain.toString('utf8')) as never,
      });
    }
    const of = (kind: BodyKind) => read.get(kind) ?? null;
    return { expiresAt, request: of('request'), response: of('response'), events: of('events') };
  }

  private async wasErased({ startedAt, keyId, groupId }: BodySubject): Promise<boolean> {
    const subjects = [`key:${keyId}`, `group:${groupId}`, `day:${dayOf(startedAt.getTime())}`];
    const found = await this.questions.ask(Prisma.sql`
      SELECT 1 FROM body_erasures WHERE subject = ANY(${subjects}) AND erased_at >= ${startedAt} LIMIT 1`);
    return found.length > 0;
  }
}
