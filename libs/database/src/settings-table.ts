import type { Prisma } from './generated/client.js';
import type { PrismaService, Transaction } from './prisma.service.js';

/** Reads a fact of this installation; undefined when it was never written. */
export async function readSetting(
  db: PrismaService | Transaction,
  name: string,
): Promise<Prisma.JsonValue | undefined> {
  return (await db.setting.findUnique({ where: { name } }))?.value;
}

export async function writeSetting(
  db: PrismaService | Transaction,
  name: string,
  value: Prisma.InputJsonValue,
): Promise<void> {
  await db.setting.upsert({ where: { name }, create: { name, value }, update: { value } });
}
