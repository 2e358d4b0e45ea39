/** A session's name, hashed once; each upstream's score comes from it and the upstream's seed. */
export type AffinityHash = readonly [high: number, low: number];

/** 2^-32 */
const UNIT = 2.3283064365386963e-10;

/** Hashes text into 64 bits (cyrb53's two lanes): the same on every replica and in every release. */
export function affinityHash(text: string): AffinityHash {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    high = Math.imul(high ^ code, 2654435761);
    low = Math.imul(low ^ code, 1597334677);
  }
  return [mixed(high ^ (low >>> 15)), mixed(low ^ (high >>> 13))];
}

/** An upstream's seed, from its id. */
export function affinitySeed(upstreamId: string): number {
  return affinityHash(upstreamId)[0];
}

/**
 * The score of an upstream for a session in weighted rendezvous hashing (Thaler and Ravishankar; weights as by Schindelhauer
 * and Schomaker): the upstream of the highest score gets the session, shares follow the weights, and when an upstream comes
 * or goes only its own sessions move.
 */
export function affinityScore([high, low]: AffinityHash, seed: number, weight: number): number {
  const hash = mixed(mixed(high ^ seed) ^ Math.imul(low, 0x9e3779b1));
  // In (0, 1): never 0, of which there is no logarithm.
  const uniform = ((hash >>> 0) + 0.5) * UNIT;
  return -weight / Math.log(uniform);
}

/** Murmur3's finalizer: every bit of the input changes half of the output. */
function mixed(value: number): number {
  let hash = value;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
