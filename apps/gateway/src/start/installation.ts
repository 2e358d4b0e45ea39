import { createHash, randomBytes } from 'node:crypto';
import { PrismaService, readSetting, writeSetting } from '@app/database';
import type { Settings } from '@app/runtime';
import { AdminTokenHash } from '../http/admin-token.js';
import type { DataDir } from './data-dir.js';
import { StartupError } from './startup-error.js';

const MASTER_KEY_FILE = 'master-key';
const ADMIN_TOKEN_FILE = 'admin-token.sha256';
const FINGERPRINT_SETTING = 'master_key_fingerprint';

/** The key that seals credentials: from MASTER_KEY, else made once and kept in DATA_DIR. */
export function masterKeyOf(settings: Settings, dataDir: DataDir): Buffer {
  if (settings.masterKey) return settings.masterKey;
  const kept = dataDir.read(MASTER_KEY_FILE);
  if (kept) return Buffer.from(kept, 'base64');
  const made = randomBytes(32);
  dataDir.write(MASTER_KEY_FILE, made.toString('base64'));
  return made;
}

export interface AdminToken {
  hash: AdminTokenHash;
  /** The token itself, when it was made just now: it is told once and kept only as a hash. */
  made: string | null;
  /** Keeps the hash; to be called when the token is told, so that a start that fails before does not use it up. */
  keep(): void;
}

/** The admin token: from ADMIN_TOKEN, else made at the first start. */
export function adminTokenOf(settings: Settings, dataDir: DataDir): AdminToken {
  const given = (hash: AdminTokenHash) => ({ hash, made: null, keep: () => undefined });
  if (settings.adminToken) return given(AdminTokenHash.of(settings.adminToken));
  const kept = dataDir.read(ADMIN_TOKEN_FILE);
  if (kept) return given(new AdminTokenHash(Buffer.from(kept, 'hex')));
  const made = `tga-${randomBytes(32).toString('base64url')}`;
  const hash = AdminTokenHash.of(made);
  return { hash, made, keep: () => dataDir.write(ADMIN_TOKEN_FILE, hash.sha256.toString('hex')) };
}

/**
 * Refuses a MASTER_KEY other than the one that this database's secrets were sealed under.
 *
 * @throws StartupError
 */
export async function checkMasterKey(prisma: PrismaService, masterKey: Buffer): Promise<void> {
  const fingerprint = createHash('sha256').update('tollgate/fingerprint').update(masterKey).digest('hex').slice(0, 16);
  const known = await readSetting(prisma, FINGERPRINT_SETTING);
  if (known === undefined) await writeSetting(prisma, FINGERPRINT_SETTING, fingerprint);
  else if (known !== fingerprint) {
    throw new StartupError(
      'MASTER_KEY is not the key that this database was set up with: give the right one (without MASTER_KEY it is the file master-key in DATA_DIR)',
    );
  }
}
