import fc from 'fast-check';
import { JsonSyntaxError } from './json-bytes.js';
import { scanObject } from './json-scan.js';

function member(text: string, name: string): unknown {
  const raw = Buffer.from(text);
  const { spans } = scanObject(raw, [name]);
  const [start = -1, end = -1] = spans;
  return start === -1 ? undefined : JSON.parse(raw.toString('utf8', start, end));
}

function isAccepted(text: string): boolean {
  try {
    scanObject(Buffer.from(text), []);
    return true;
  } catch (error) {
    if (error instanceof JsonSyntaxError) return false;
    throw error;
  }
}

function isParsedObject(text: string): boolean {
  try {
    return typeof JSON.parse(text) === 'object';
  } catch {
    return false;
  }
}

describe('scanObject', () => {
  it('finds every top-level member of any object exactly as JSON.parse does', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.string(), fc.jsonValue(), { noNullPrototype: true }),
        fc.nat(4),
        (object, indent) => {
          const text = JSON.stringify(object, null, indent);
          fc.pre(!/"__proto__"/.test(text)); // refused
          for (const [name, value] of Object.entries(object)) {
            expect(JSON.stringify(member(text, name))).toBe(JSON.stringify(value));
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('tells where every element of the wanted list stands, whatever it is', () => {
    fc.assert(
      fc.property(fc.array(fc.jsonValue()), fc.nat(4), fc.jsonValue(), (list, indent, other) => {
        const text = JSON.stringify({ other: [other], input: list, after: [other] }, null, indent);
        fc.pre(!/"__proto__"|"constructor"/.test(text)); // may be refused
        const items = { list: 'input', members: ['type'], isKept: () => false };
        const { elements } = scanObject(Buffer.from(text), ['input'], items);
        const found = list.map((_, index) => {
          const bytes = Buffer.from(text).subarray(elements[index * 2], elements[index * 2 + 1]);
          return JSON.parse(bytes.toString()) as unknown;
        });
        expect(elements).toHaveLength(2 * list.length);
        expect(JSON.stringify(found)).toBe(JSON.stringify(list));
      }),
      { numRuns: 500 },
    );
  });

  it('agrees with JSON.parse on any text in which one character is missing, doubled or another', () => {
    const text = '{"model":"gpt","n":[1,-2.5e3,true,false,null,{"a":{}}],"s":"q\\"\\\\"}';
    fc.assert(
      fc.property(
        fc.nat(text.length - 1),
        fc.constantFrom('', '{', '}', '[', ']', ',', ':', '"', '0', '-', 'x'),
        (at, by) => {
          const broken = text.slice(0, at) + by + text.slice(at + 1);
          // What stands behind a backslash is left to whoever decodes the string.
          fc.pre(!/\\[^"\\]/.test(broken));
          expect(isAccepted(broken)).toBe(isParsedObject(broken));
        },
      ),
      { numRuns: 2000 },
    );
  });

  it.each([
    '',
    ' ',
    'null',
    '[]',
    '"x"',
    '{',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,}',
    '{"a":1} x',
    '{a:1}',
    '{"a":01}',
    '{"a":"',
    '{"a":tru',
    '\ufeff{}',
  ])('refuses %j', (text) => expect(() => scanObject(Buffer.from(text), [])).toThrow(JsonSyntaxError));

  it('refuses a wanted member that stands twice, also when one of them is written with escapes', () => {
    expect(() => scanObject(Buffer.from('{"model":"a","model":"b"}'), ['model'])).toThrow("'model' stands twice");
    expect(() => scanObject(Buffer.from('{"model":"a","mod\\u0065l":"b"}'), ['model'])).toThrow("'model' stands twice");
    expect(member('{"mod\\u0065l":"b"}', 'model')).toBe('b');
  });

  it('does not look for members below the top level', () => {
    expect(member('{"input":[{"model":"inner"}],"x":{"model":1}}', 'model')).toBeUndefined();
  });

  it('reads strings with many escapes and quotes', () => {
    const text = '\\"'.repeat(500) + 'x'.repeat(200) + '\\\\';
    expect(member(JSON.stringify({ a: text, model: 'm' }), 'model')).toBe('m');
  });

  it('refuses nesting deeper than 128 levels', () => {
    const nested = (depth: number) => Buffer.from(`{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`);
    expect(() => scanObject(nested(127), [])).not.toThrow();
    expect(() => scanObject(nested(1_000_000), [])).toThrow('nested deeper');
  });

  it('refuses more than 200 000 values', () => {
    const many = (count: number) => Buffer.from(`{"a":[${Array(count).fill('{}').join(',')}]}`);
    expect(() => scanObject(many(199_990), [])).not.toThrow();
    expect(() => scanObject(many(200_001), [])).toThrow('more than 200000 values');
  });

  it.each([
    '{"__proto__":1}',
    '{"a":[{"b":{"__proto__":{}}}]}',
    '{"a":{"__pr\\u006fto__":1}}',
    '{"constructor":{"prototype":{}}}',
    '{"a":{"constructor":{"x":1,"prototype":{}}}}',
  ])('refuses %s, which poisons prototypes', (text) =>
    expect(() => scanObject(Buffer.from(text), [])).toThrow('is not allowed'),
  );

  it.each([
    '{"constructor":"x","prototype":{}}',
    '{"prototype":1}',
    '{"constructor":[{"prototype":1}]}',
    '{"a":"__proto__"}',
  ])('takes %s, which does not', (text) => expect(() => scanObject(Buffer.from(text), [])).not.toThrow());
});
