import fc from 'fast-check';
import { readListedItems, readOutputItems } from './output-items.js';

const read = (json: string) =>
  readOutputItems(Buffer.from(json)).map(({ id, encryptedContent }) => [id, encryptedContent?.toString() ?? null]);

describe('readOutputItems', () => {
  it('finds id and sealed content of each item, wherever they stand in it', () => {
    const response = {
      id: 'resp_1',
      object: 'response',
      output: [
        { id: 'rs_1', type: 'reasoning', summary: [{ id: 'not me' }], encrypted_content: 'gAAAAAB-_=' },
        { type: 'message', content: [{ type: 'output_text', text: '"id":"nor me"' }], id: 'msg_1' },
        { type: 'function_call', call_id: 'call_1' },
        { type: 'compaction', id: 'cmp_1', encrypted_content: 'x'.repeat(5_000) },
      ],
      usage: { output: [{ id: 'nor this' }] },
    };
    for (const indent of [0, 2]) {
      expect(read(JSON.stringify(response, null, indent))).toEqual([
        ['rs_1', 'gAAAAAB-_='],
        ['msg_1', null],
        [null, null],
        ['cmp_1', 'x'.repeat(5_000)],
      ]);
    }
  });

  it('reads what is escaped as a parser would', () => {
    expect(
      read(String.raw`{"\u006futput":[{"\u0069d":"rs\u005f1","encrypted_content":"a\/b\u003d"},{"id":"\"]}"}]}`),
    ).toEqual([
      ['rs_1', 'a/b='],
      ['"]}', null],
    ]);
  });

  it('takes no id and no content that is not a text', () => {
    const output = [{ id: null, encrypted_content: null }, { id: 7, encrypted_content: { a: 1 } }, { id: '' }];
    expect(read(JSON.stringify({ output }))).toEqual([
      [null, null],
      [null, null],
      ['', null],
    ]);
  });

  it.each([
    ['no JSON', 'event: ping'],
    ['nothing', ''],
    ['an array', '[{"id":"a"}]'],
    ['a response without output', '{"id":"resp_1"}'],
    ['an output that is no list', '{"output":{"id":"a"}}'],
    ['an output named twice', '{"output":[{"id":"a"}],"output":[{"id":"b"}]}'],
    ['an empty output', '{"output":[ ]}'],
    ['a response that is cut', '{"output":[{"id":"a"},{"id":"b"'],
    ['values that are no items', '{"output":["a",1,null,[{"id":"a"}],true,"]"]}'],
  ])('finds nothing in %s', (_, json) => expect(read(json)).toEqual([]));

  it('leaves out an item that names its id twice or cannot be decoded, and goes on', () => {
    expect(read(String.raw`{"output":[{"id":"a","id":"b"},{"id":"\u12"},{"id":"c"}]}`)).toEqual([['c', null]]);
  });

  it('is bounded in items, and is not troubled by depth', () => {
    expect(read(`{"output":[${'{"id":"a"},'.repeat(10_000)}{}]}`)).toHaveLength(4_096);
    expect(read(`{"output":[{"x":${'['.repeat(100_000)}${']'.repeat(100_000)},"id":"a"}]}`)).toEqual([['a', null]]);
  });

  it('finds what JSON.parse finds, in any JSON', () => {
    const item = fc.record(
      { id: fc.string({ unit: 'grapheme' }), encrypted_content: fc.string({ minLength: 1 }), more: fc.jsonValue() },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.array(item), fc.jsonValue(), fc.nat(2), (output, other, indent) => {
        expect(read(JSON.stringify({ other, output, last: other }, null, indent))).toEqual(
          output.map(({ id, encrypted_content }) => [id ?? null, encrypted_content ?? null]),
        );
      }),
    );
  });
});

describe('readListedItems', () => {
  it('reads the data of a list', () => {
    const list = { object: 'list', data: [{ id: 'msg_1' }, { id: 'fc_1' }], first_id: 'msg_1', has_more: false };
    expect(readListedItems(Buffer.from(JSON.stringify(list))).map(({ id }) => id)).toEqual(['msg_1', 'fc_1']);
  });
});
