/** Snapshots older than this may honour a key that was revoked long ago. */
export const SNAPSHOT_AGE_MS_MAX = 15 * 60_000;
