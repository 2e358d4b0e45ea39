import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { resealWebhooks, WebhookSecrets } from '@app/alerts';
import { BodyKeyBox, rewrapBodyKeys } from '@app/bodies';
import { moveOlderKeys } from '@app/compaction';
import { PrismaService, readSetting, writeSetting } from '@app/database';
import { resealTotps, TotpSecrets } from '@app/operators';
import type { Settings } from '@app/runtime';
import { resealUpstreams, UpstreamCredentials } from '@app/upstreams';
import { AdminTokenHash } from '../http/admin-token.js';
import type { DataDir } from './data-dir.js';
import { StartupError } from './startup-error.js';

const MASTER_KEY_FILE = 'master-key';
const ADMIN_TOKEN_FILE = 'admin-token.sha256';
const REPLICA_ID_FILE = 'replica-id';
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

/** What this gateway is called among its replicas; kept, so that after a crash it can take back what it held. */
export function replicaIdOf(dataDir: DataDir): string {
  const kept = dataDir.read(REPLICA_ID_FILE);
  if (kept) return kept;
  const made = randomUUID();
  dataDir.write(REPLICA_ID_FILE, made);
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
 * Sees to it that this database's secrets are sealed under the MASTER_KEY. Under the previous one, if it is given, they are
 * sealed anew: a change of the key is one start with both.
 *
 * @throws StartupError for a MASTER_KEY that is not the one
 */
export async function adoptMasterKey(prisma: PrismaService, masterKey: Buffer, previous: Buffer | null): Promise<void> {
  const fingerprint = fingerprintOf(masterKey);
  const known = await readSetting(prisma, FINGERPRINT_SETTING);
  if (known === fingerprint) return;
  if (known === undefined) return writeSetting(prisma, FINGERPRINT_SETTING, fingerprint);
  if (previous === null || known !== fingerprintOf(previous)) {
    throw new StartupError(
      'MASTER_KEY is not the key that this database was set up with: give the right one (without MASTER_KEY it is the file master-key in DATA_DIR); to change it, give the old one as MASTER_KEY_PREVIOUS',
    );
  }
  await prisma.$transaction(async (tx) => {
    // Replicas may start together with both keys: the first one does it.
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('tollgate_master_key'))`;
    if ((await readSetting(tx, FINGERPRINT_SETTING)) === fingerprint) return;
    await resealUpstreams(tx, new UpstreamCredentials(previous), new UpstreamCredentials(masterKey));
    await resealWebhooks(tx, new WebhookSecrets(previous), new WebhookSecrets(masterKey));
    await resealTotps(tx, new TotpSecrets(previous), new TotpSecrets(masterKey));
    await rewrapBodyKeys(tx, new BodyKeyBox(previous), new BodyKeyBox(masterKey));
    await moveOlderKeys(tx, previous, masterKey);
    // Their requests cannot be told from others any more.
    await tx.idempotencyKey.deleteMany();
    await writeSetting(tx, FINGERPRINT_SETTING, fingerprint);
  });
}

function fingerprintOf(masterKey: Buffer): string {
  return createHash('sha256').update('tollgate/fingerprint').update(masterKey).digest('hex').slice(0, 16);
}
