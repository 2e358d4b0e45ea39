import fc from 'fast-check';
import { PrefixWatch, type WatchedTurn } from './prefix-watch.js';

function turnOf(items: number, requestId = 'req_1'): WatchedTurn {
  return {
    requestId,
    fingerprint: new Uint32Array(4 + 2 * items),
    model: 'm',
    servedModel: 'm',
    upstreamId: 'u',
    upstreamName: 'u',
    inputTokens: 2_000,
    cachedTokens: 0,
    responseId: null,
    previousResponseId: null,
    conversationId: null,
    compaction: null,
    isCompacting: false,
    answeredAtMs: 0,
    number: 1,
    isCacheKnown: true,
    wasCompacted: false,
  };
}

describe('PrefixWatch', () => {
  it('stays within its bounds whatever sessions come, and knows the newest', () => {
    const turns = fc.array(fc.tuple(fc.nat(40), fc.nat(60)), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(turns, (all) => {
        const watch = new PrefixWatch({ sessionsMax: 20, itemsMax: 100, idleMsMax: 1_000 }, () => 1);
        for (const [session, items] of all) {
          watch.answered(String(session), turnOf(items));
          const { size } = watch;
          expect(size.sessions).toBeLessThanOrEqual(20);
          expect(size.items).toBeLessThanOrEqual(100);
          expect(watch.lastTurn(String(session))).toMatchObject({ fingerprint: { length: 4 + 2 * items } });
        }
      }),
      { numRuns: 200 },
    );
  });

  it('forgets a session that was idle for too long, and not one that goes on', () => {
    let nowMs = 1;
    const watch = new PrefixWatch({ sessionsMax: 10, itemsMax: 100, idleMsMax: 1_000 }, () => nowMs);
    watch.answered('idle', turnOf(1));
    watch.answered('busy', turnOf(1));
    nowMs = 900;
    watch.answered('busy', turnOf(2, 'req_2'));
    nowMs = 1_500;
    expect(watch.lastTurn('idle')).toBeNull();
    expect(watch.lastTurn('busy')?.requestId).toBe('req_2');
  });

  it('holds no call that alone has more items than all may have', () => {
    const watch = new PrefixWatch({ sessionsMax: 10, itemsMax: 100, idleMsMax: 1_000 }, () => 1);
    watch.answered('a', turnOf(10));
    watch.answered('a', turnOf(1_000, 'req_2'));
    expect(watch.lastTurn('a')).toBeNull();
    expect(watch.size).toEqual({ sessions: 0, items: 0 });
  });
});
