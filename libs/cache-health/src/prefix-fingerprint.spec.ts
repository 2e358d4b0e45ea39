import fc from 'fast-check';
import { itemTypeAt, prefixParts, readResponseCall } from '@app/protocol';
import { itemsOf, prefixChange, type PrefixFingerprint, prefixFingerprint } from './prefix-fingerprint.js';

interface Body {
  readonly instructions?: unknown;
  readonly tools?: unknown;
  readonly input?: unknown;
}

/** @param indent white space between the members, which is no part of an item but is one inside of it */
function callOf(body: Body, indent = 0) {
  return readResponseCall(Buffer.from(JSON.stringify({ model: 'm', ...body }, null, indent)));
}

function fingerprintOf(body: Body): PrefixFingerprint {
  const call = callOf(body);
  return prefixFingerprint(call.raw, prefixParts(call));
}

const item = fc.record({
  type: fc.constantFrom('message', 'reasoning', 'function_call'),
  content: fc.oneof(fc.string(), fc.jsonValue()),
});

describe('prefixChange', () => {
  it('finds the first item that changed between any two turns, and no other', () => {
    fc.assert(
      fc.property(
        fc.array(item, { maxLength: 30 }),
        fc.array(item, { maxLength: 30 }),
        fc.nat(30),
        (one, other, kept) => {
          const [before, now] = [one, [...one.slice(0, kept), ...other]];
          const first = now.findIndex((each, index) => {
            return index < before.length && JSON.stringify(each) !== JSON.stringify(before[index]);
          });
          const found = prefixChange(fingerprintOf({ input: before }), fingerprintOf({ input: now }));
          expect(found).toEqual(
            first === -1
              ? { keptItems: Math.min(before.length, now.length), brokenAt: null }
              : { keptItems: first, brokenAt: { part: 'input', itemIndex: first } },
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  it('follows a session of any turns, of which each adds items, edits one, or takes some away', () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('add' as const), items: fc.array(item, { minLength: 1, maxLength: 5 }) }),
      fc.record({ do: fc.constant('edit' as const), at: fc.nat(), item }),
      fc.record({ do: fc.constant('cut' as const), at: fc.nat() }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 20 }), (steps) => {
        let input: object[] = [{ type: 'message', content: 'first' }];
        let before = fingerprintOf({ input });
        for (const turn of steps) {
          let edited: number | null = null;
          if (turn.do === 'add') input = [...input, ...turn.items];
          else if (turn.do === 'cut') input = input.slice(0, 1 + (turn.at % input.length));
          else {
            edited = turn.at % input.length;
            if (JSON.stringify(input[edited]) === JSON.stringify(turn.item)) edited = null;
            else input = input.with(edited, turn.item);
          }
          const now = fingerprintOf({ input });
          expect(itemsOf(now)).toBe(input.length);
          expect(prefixChange(before, now).brokenAt).toEqual(
            edited === null ? null : { part: 'input', itemIndex: edited },
          );
          before = now;
        }
      }),
      { numRuns: 200 },
    );
  });

  it.each([
    ['instructions', { instructions: 'Be brief!', tools: [{ type: 'web_search' }], input: ['a'] }],
    ['tools', { instructions: 'Be brief.', tools: [], input: ['a'] }],
    ['tools', { instructions: 'Be brief.', input: ['b'] }],
    ['input', { instructions: 'Be brief.', tools: [{ type: 'web_search' }], input: ['b'] }],
  ])('tells that the %s changed, before what comes behind them', (part, body) => {
    const before = fingerprintOf({ instructions: 'Be brief.', tools: [{ type: 'web_search' }], input: ['a'] });
    expect(prefixChange(before, fingerprintOf(body)).brokenAt).toMatchObject({ part });
  });

  it('sees no change in the order of other members, nor in white space around an item', () => {
    const one = readResponseCall(Buffer.from('{"model":"m","input":[{"type":"message"},"b"],"tools":[]}'));
    const other = readResponseCall(
      Buffer.from('{ "tools" : [] , "input" : [ {"type":"message"} ,\n"b" ] , "model":"m", "metadata":{} }'),
    );
    const [before, now] = [one, other].map((call) => prefixFingerprint(call.raw, prefixParts(call)));
    expect(prefixChange(before!, now!)).toEqual({ keptItems: 2, brokenAt: null });
  });

  it('takes an input that is a text for one item, and an empty list for none', () => {
    expect(itemsOf(fingerprintOf({ input: 'a' }))).toBe(1);
    expect(itemsOf(fingerprintOf({ input: [] }))).toBe(0);
    expect(itemsOf(fingerprintOf({}))).toBe(0);
  });
});

describe('itemTypeAt', () => {
  it.each([
    [{ type: 'function_call_output', output: 'x' }, 'function_call_output'],
    [{ role: 'user', content: 'x' }, 'message'],
    [{ id: 'msg_1' }, null],
    [{ type: 7 }, null],
    [{ type: 'Bearer sk-123' }, null],
    [{ type: 'a'.repeat(65) }, null],
    [[{ type: 'message' }], null],
    ['text', null],
  ])('of %j is %j', (each, type) => expect(itemTypeAt(callOf({ input: [0, each] }, 2), 1)).toBe(type));

  it('is none of a type that cannot be decoded, and of an item that is not there', () => {
    const call = readResponseCall(Buffer.from(String.raw`{"model":"m","input":[{"type":"\x"}]}`));
    expect([itemTypeAt(call, 0), itemTypeAt(call, 1)]).toEqual([null, null]);
  });
});
