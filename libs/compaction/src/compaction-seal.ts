import { createCipheriv, createDecipheriv, createHash, hkdfSync, randomBytes } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';

/** What tells our compactions from those of an upstream. */
export const SEAL_PREFIX = 'tgc1.';
const KEY_BYTES = 32;
const KEY_ID_BYTES = 4;
const CREATED_BYTES = 5;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const FAMILY_BYTES_MAX = 64;
/** A summary is some kilobytes: more is not sealed, and what unpacks to more was not sealed here. */
export const SUMMARY_BYTES_MAX = 2 * 1024 * 1024;
/** Clocks of replicas differ by seconds. */
const CLOCK_SKEW_SECONDS = 300;

/** What a compaction belongs to: authenticated with it, so that it opens nowhere else. */
export interface CompactionOrigin {
  readonly groupId: string;
  /** As `modelFamily` gives it. */
  readonly modelFamily: string;
  readonly createdAtSeconds: number;
}

export interface OpenedCompaction extends Omit<CompactionOrigin, 'groupId'> {
  readonly summary: string;
}

/** A sealed compaction that does not open, with what the client is told of it. */
export class CompactionSealError extends Error {}

/**
 * Seals the summary of a conversation, so that its client can carry it along without the gateway keeping anything, and only
 * the same group can use it again: AES-256-GCM under a key derived from MASTER_KEY.
 * Layout: `tgc1.` and in base64url key id (4) ‖ seconds since 1970 (5) ‖ length of the family (1) ‖ family ‖ nonce (12) ‖
 * tag (16) ‖ ciphertext of the deflated summary. Authenticated: version, group, family, time.
 */
export class CompactionSeal {
  private readonly keys = new Map<string, Buffer>();
  private readonly current: Buffer;

  /**
   * @param key as `compactionKeyOf` gives it
   * @param maxAgeSeconds older ones are refused
   */
  constructor(
    key: Buffer,
    private readonly maxAgeSeconds: () => number,
  ) {
    this.current = key;
    this.addOlder(key);
  }

  /** Lets what was sealed under an older key be opened, too. */
  addOlder(key: Buffer): void {
    this.keys.set(keyIdOf(key).toString('hex'), key);
  }

  /** @param summary of SUMMARY_BYTES_MAX at most */
  seal(summary: string, origin: CompactionOrigin): string {
    const family = Buffer.from(origin.modelFamily).subarray(0, FAMILY_BYTES_MAX);
    const head = Buffer.alloc(KEY_ID_BYTES + CREATED_BYTES + 1);
    keyIdOf(this.current).copy(head);
    head.writeUIntBE(origin.createdAtSeconds, KEY_ID_BYTES, CREATED_BYTES);
    head.writeUInt8(family.length, KEY_ID_BYTES + CREATED_BYTES);
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.current, nonce).setAAD(
      authenticated(head, family, origin.groupId),
    );
    const text = Buffer.concat([cipher.update(deflateRawSync(Buffer.from(summary))), cipher.final()]);
    return SEAL_PREFIX + Buffer.concat([head, family, nonce, cipher.getAuthTag(), text]).toString('base64url');
  }

  /** Whether a text was sealed under a key of this gateway, whoever may open it. */
  isOwn(sealed: string): boolean {
    const bytes = Buffer.from(sealed.slice(SEAL_PREFIX.length, SEAL_PREFIX.length + 8), 'base64url');
    return sealed.startsWith(SEAL_PREFIX) && this.keys.has(bytes.toString('hex', 0, KEY_ID_BYTES));
  }

  /**
   * @param groupId the caller's
   * @throws CompactionSealError for one of another group as for one that was changed, and for one that is too old
   */
  open(sealed: string, groupId: string, nowSeconds: number): OpenedCompaction {
    const bytes = decoded(sealed);
    const head = bytes.subarray(0, KEY_ID_BYTES + CREATED_BYTES + 1);
    const createdAtSeconds = head.readUIntBE(KEY_ID_BYTES, CREATED_BYTES);
    const nonceStart = head.length + head.readUInt8(KEY_ID_BYTES + CREATED_BYTES);
    const family = bytes.subarray(head.length, nonceStart);
    const key = this.keys.get(head.toString('hex', 0, KEY_ID_BYTES));
    if (!key || bytes.length < nonceStart + NONCE_BYTES + TAG_BYTES) throw unreadable();
    const summary = decrypted(key, bytes.subarray(nonceStart), authenticated(head, family, groupId));
    // Only now: before it is authentic, its age is what anybody writes into it.
    const ageSeconds = nowSeconds - createdAtSeconds;
    if (ageSeconds > this.maxAgeSeconds() || ageSeconds < -CLOCK_SKEW_SECONDS) {
      throw new CompactionSealError('has expired');
    }
    return { summary, modelFamily: family.toString(), createdAtSeconds };
  }
}

/** The key for compactions that belongs to a MASTER_KEY. */
export function compactionKeyOf(masterKey: Buffer): Buffer {
  return Buffer.from(hkdfSync('sha256', masterKey, '', 'tollgate/compaction', KEY_BYTES));
}

/** What models of one kind have in common: `gpt-5` for `gpt-5.5-codex`. */
export function modelFamily(model: string): string {
  return /^[a-z]+-?\d+/i.exec(model.slice(model.lastIndexOf('/') + 1))?.[0].toLowerCase() ?? model.slice(0, 32);
}

/** Tells keys apart, and nothing of them. */
function keyIdOf(key: Buffer): Buffer {
  return createHash('sha256').update('tollgate/compaction-key-id').update(key).digest().subarray(0, KEY_ID_BYTES);
}

function authenticated(head: Buffer, family: Buffer, groupId: string): Buffer {
  return Buffer.concat([Buffer.from(SEAL_PREFIX), head, family, Buffer.from(`\0${groupId}`)]);
}

/** Strictly base64url, so that one compaction has one text only. */
function decoded(sealed: string): Buffer {
  const text = sealed.slice(SEAL_PREFIX.length);
  const bytes = Buffer.from(text, 'base64url');
  const isWhole = bytes.length > KEY_ID_BYTES + CREATED_BYTES + 1 && bytes.toString('base64url') === text;
  if (!sealed.startsWith(SEAL_PREFIX) || !isWhole) throw unreadable();
  return bytes;
}

function decrypted(key: Buffer, bytes: Buffer, belongsTo: Buffer): string {
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), { authTagLength: TAG_BYTES });
    decipher.setAAD(belongsTo).setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
    const deflated = [decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()];
    return inflateRawSync(Buffer.concat(deflated), { maxOutputLength: SUMMARY_BYTES_MAX }).toString('utf8');
  } catch (error) {
    throw unreadable(error);
  }
}

function unreadable(cause?: unknown): CompactionSealError {
  return new CompactionSealError('cannot be opened: it was changed, or belongs to another group or gateway', { cause });
}
