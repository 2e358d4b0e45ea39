import { type PrismaService, readSetting, type Transaction, writeSetting } from '@app/database';
import { SecretBox } from '@app/runtime';
import { compactionKeyOf } from './compaction-seal.js';

const SETTING = 'compaction_older_keys';
const PURPOSE = 'compaction-keys';

/** The keys under which compactions were sealed before the MASTER_KEY was changed; they are stored sealed under it. */
export async function readOlderKeys(db: PrismaService | Transaction, masterKey: Buffer): Promise<Buffer[]> {
  const stored = ((await readSetting(db, SETTING)) ?? []) as string[];
  const box = new SecretBox(masterKey, PURPOSE);
  return stored.map((sealed) => Buffer.from(box.open(Buffer.from(sealed, 'base64'), SETTING), 'base64'));
}

/** Takes the keys over from one MASTER_KEY to the next, with the one that was in use: clients still hold what it sealed. */
export async function moveOlderKeys(tx: Transaction, from: Buffer, to: Buffer): Promise<void> {
  const keys = [...(await readOlderKeys(tx, from)), compactionKeyOf(from)];
  const box = new SecretBox(to, PURPOSE);
  await writeSetting(
    tx,
    SETTING,
    keys.map((key) => box.seal(key.toString('base64'), SETTING).toString('base64')),
  );
}
