import { affinityHash, affinityScore, affinitySeed } from './affinity.js';

const SESSIONS = Array.from({ length: 10_000 }, (_, index) => affinityHash(`session-${index}`));

function chosen(upstreams: readonly { id: string; weight: number }[]): string[] {
  const seeded = upstreams.map(({ id, weight }) => ({ id, weight, seed: affinitySeed(id) }));
  return SESSIONS.map((hash) => {
    const scored = seeded.map(({ id, weight, seed }) => ({ id, score: affinityScore(hash, seed, weight) }));
    return scored.reduce((best, next) => (next.score > best.score ? next : best)).id;
  });
}

const share = (choices: readonly string[], id: string) => choices.filter((choice) => choice === id).length / 10_000;

describe('rendezvous hashing', () => {
  const three = ['a', 'b', 'c'].map((id) => ({ id: `0193-${id}`, weight: 1 }));

  it('gives equals equal shares', () => {
    const choices = chosen(three);
    for (const { id } of three) expect(share(choices, id)).toBeCloseTo(1 / 3, 1);
  });

  it('gives shares by weight', () => {
    const choices = chosen([
      { id: 'light', weight: 1 },
      { id: 'heavy', weight: 3 },
      { id: 'off', weight: 0 },
    ]);
    expect(share(choices, 'heavy')).toBeCloseTo(0.75, 1);
    expect(share(choices, 'off')).toBe(0);
  });

  it('moves only the sessions of an upstream that is lost', () => {
    const before = chosen(three);
    const after = chosen(three.slice(1));
    const isStaying = (choice: string) => choice !== three[0]?.id;
    expect(after.filter((_, index) => isStaying(before[index] ?? ''))).toEqual(before.filter(isStaying));
  });

  it('never changes: replicas of different releases must agree', () => {
    expect(affinityHash('session')).toEqual(affinityHash('session'));
    expect([...affinityHash('session'), affinitySeed('upstream')]).toMatchInlineSnapshot(`
     [
       -494653627,
       613536716,
       -823129727,
     ]
    `);
  });
});
