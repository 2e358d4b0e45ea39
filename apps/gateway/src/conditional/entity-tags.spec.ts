import { knows, parseTagList, tagOf, versionsIn } from './entity-tags.js';

const versions = (header: string) => {
  const list = parseTagList(header);
  return list && versionsIn(list);
};

describe('a list of entity tags', () => {
  it.each<[string, readonly number[]]>([
    ['"7"', [7]],
    ['"7", "8"', [7, 8]],
    ['"7","8" ,\t"9"', [7, 8, 9]],
    [', "7",,', [7]],
    ['  "7"  ', [7]],
    ['"7,8"', []],
    ['W/"7"', []],
    ['W/"7", "8"', [8]],
    ['"of-somebody-else"', []],
    ['""', []],
    ['"07"', []],
  ])('%s names the versions %j', (header, named) => {
    expect(versions(header)).toEqual(named);
  });

  it.each(['', ' ', ',', '7', '"7', '7"', '"7" "8"', '*, "7"', '"7", *', 'w/"7"', 'W/ "7"', '"a b"', '"a\u0000"'])(
    'is not %j',
    (header) => {
      expect(parseTagList(header)).toBeNull();
    },
  );

  it('may be any: *', () => {
    expect(parseTagList(' * ')).toBe('*');
    expect(versionsIn('*')).toBeNull();
  });

  it('is known by a client that has the version, also by a weak tag', () => {
    const known = (header: string) => knows(parseTagList(header) ?? [], 7);
    expect(['"7"', 'W/"7"', '"6", "7"', '*'].map(known)).toEqual([true, true, true, true]);
    expect(['"8"', '"77"', '"6", W/"8"'].map(known)).toEqual([false, false, false]);
  });

  it('holds what an answer had as its ETag', () => {
    expect(versions(tagOf(2_147_483_647))).toEqual([2_147_483_647]);
  });
});
