import { JsonPath } from './json-path.js';

const document = () => ({
  metadata: { user: 'ada', 'a b': 1 },
  input: [
    { role: 'user', content: [{ type: 'input_text', text: 'one' }] },
    { role: 'tool', content: 'two' },
  ],
  text: { format: { text: 'three' } },
});

const REPLACED: [path: string, places: string[], count: number][] = [
  ['$.metadata.user', ['metadata.user'], 1],
  ["$.metadata['a b']", ['metadata.a b'], 1],
  ['$.metadata.*', ['metadata.user', 'metadata.a b'], 2],
  ['$.input[*].content', ['input.0.content', 'input.1.content'], 2],
  ['$.input[1].role', ['input.1.role'], 1],
  ['$.input[0].content[*].text', ['input.0.content.0.text'], 1],
  ['$..text', ['input.0.content.0.text', 'text'], 2],
  ['$.input..text', ['input.0.content.0.text'], 1],
  ['$.nothing.here', [], 0],
  ['$.input.role', [], 0],
  ['$.metadata[0]', [], 0],
  ['$.toString', [], 0],
];

describe('JsonPath', () => {
  it.each(REPLACED)('%s leads to %j', (path, places, count) => {
    const value = document();
    expect(new JsonPath(path).replaceIn(value, 'X')).toBe(count);
    expect(placesOf(value)).toEqual(places.toSorted());
  });

  it('leads nowhere in what is no object', () => {
    for (const value of [null, undefined, 'text', 7]) expect(new JsonPath('$..a').replaceIn(value, 'X')).toBe(0);
  });
});

/** Where the value that was put in is now. */
function placesOf(node: unknown, path: string[] = []): string[] {
  if (node === 'X') return [path.join('.')];
  if (typeof node !== 'object' || node === null) return [];
  return Object.entries(node)
    .flatMap(([key, value]) => placesOf(value, [...path, key]))
    .toSorted();
}
