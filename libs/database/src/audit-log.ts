import { Injectable } from '@nestjs/common';
import { newId } from '@app/runtime';
import type { Prisma } from './generated/client.js';
import { Prisma as PrismaValues } from './generated/client.js';
import type { Transaction } from './prisma.service.js';

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
  async record(tx: Transaction, write: AuditWrite): Promise<void> {
    await tx.auditEntry.create({
      data: { ...write, id: newId(), before: asJson(write.before), after: asJson(write.after) },
    });
  }
}

function asJson(value: object | null): Prisma.InputJsonValue | typeof PrismaValues.DbNull {
  if (value === null) return PrismaValues.DbNull;
  return JSON.parse(JSON.stringify(value, (_, field: unknown) => (typeof field === 'bigint' ? String(field) : field)));
}
