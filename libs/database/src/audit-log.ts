import { Injectable } from '@nestjs/common';
import { newId } from '@app/runtime';
import { auditOrigin } from './audit-context.js';
import { PrismaService, type Transaction } from './prisma.service.js';

/** Who has done what nobody asked for. */
export const SYSTEM_ACTOR = 'system';

/** What an admin write did. `before` and `after` never hold secrets, only fingerprints. */
export interface AuditWrite {
  actor: string;
  action: string;
  objectType: string;
  objectId: string;
  before: object | null;
  after: object | null;
}

/** Records admin writes, inside the transaction of the write itself: neither can exist without the other. */
@Injectable()
export class AuditLog {
  /** Entries of transactions that make many. */
  private readonly held = new WeakMap<Transaction, AuditWrite[]>();

  constructor(private readonly prisma: PrismaService) {}

  /**
   * Adds an entry to the chain. From then on nobody else can until the transaction is over: it comes last in it, so that whoever
   * holds this lock never waits for another.
   */
  async record(tx: Transaction, write: AuditWrite): Promise<void> {
    const held = this.held.get(tx);
    if (held) held.push(write);
    else await this.append(tx, write);
  }

  /** Many writes in one transaction: their entries come behind all of them. */
  async together<T>(tx: Transaction, work: () => Promise<T>): Promise<T> {
    const held: AuditWrite[] = [];
    this.held.set(tx, held);
    const result = await work();
    this.held.delete(tx);
    for (const write of held) await this.append(tx, write);
    return result;
  }

  private async append(
    tx: Transaction,
    { actor, action, objectType, objectId, before, after }: AuditWrite,
  ): Promise<void> {
    // What the gateway does by itself may have begun in somebody's request, which did not ask for it.
    const origin = actor === SYSTEM_ACTOR ? null : auditOrigin();
    // The time is taken behind the lock: entries have the order of their times.
    await tx.$executeRaw`
      WITH head AS MATERIALIZED (SELECT FROM audit_head FOR UPDATE)
      INSERT INTO audit_entries (id, at, actor, action, object_type, object_id, before, after, ip, request_id)
      SELECT ${newId()}::uuid, clock_timestamp(), ${actor}::text, ${action}::text, ${objectType}::text, ${objectId}::uuid, ${asJson(before)}::jsonb,
        ${asJson(after)}::jsonb, ${origin?.ip ?? null}::inet, ${origin?.requestId ?? null}::text FROM head`;
  }

  /** Records what was read, where that matters, before it is told. */
  async note(reading: Omit<AuditWrite, 'before'>): Promise<void> {
    await this.prisma.$transaction((tx) => this.record(tx, { ...reading, before: null }));
  }
}

function asJson(value: object | null): string | null {
  return value && JSON.stringify(value, (_, field: unknown) => (typeof field === 'bigint' ? String(field) : field));
}
