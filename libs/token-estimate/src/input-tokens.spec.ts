import fc from 'fast-check';
import { inputTokens } from './input-tokens.js';

/** A token for each character, to see what is counted. */
const tokens = (body: unknown) => inputTokens(body, (text) => text.length);
const PER_REQUEST = 3;
const PER_ITEM = 4;

function image(header: number[]): string {
  return `data:image/png;base64,${Buffer.from(header).toString('base64')}`;
}

const png = (width: number, height: number) => {
  const bytes = Buffer.alloc(33);
  bytes.write('\x89PNG\r\n\x1a\n', 'latin1');
  bytes.writeUInt32BE(width, 16);
  bytes.writeUInt32BE(height, 20);
  return image([...bytes]);
};
const jpeg = (width: number, height: number) => {
  const metadata = [0xff, 0xe1, 0, 6, 1, 2, 3, 4];
  const frame = [0xff, 0xc2, 0, 17, 8, height >> 8, height & 255, width >> 8, width & 255, 3];
  return image([0xff, 0xd8].concat(metadata, frame, [3, 1, 34, 0, 2, 17, 1, 3, 17, 1]));
};

describe('inputTokens', () => {
  it.each<[string, unknown, number]>([
    ['a string', 'hello', PER_ITEM + 5],
    ['a message', [{ type: 'message', role: 'user', content: 'hello' }], PER_ITEM + 5],
    [
      'text parts',
      [
        {
          role: 'user',
          content: [
            { type: 'input_text', text: 'ab' },
            { type: 'output_text', text: 'c' },
          ],
        },
      ],
      PER_ITEM + 3,
    ],
    ['a call', [{ type: 'function_call', id: 'fc_1', call_id: 'call_1', name: 'f', arguments: '{}' }], PER_ITEM + 3],
    ['its output', [{ type: 'function_call_output', call_id: 'call_1', output: 'done' }], PER_ITEM + 4],
    [
      'its output in parts',
      [{ type: 'function_call_output', output: [{ type: 'input_text', text: 'ab' }] }],
      PER_ITEM + 2,
    ],
    ['a custom tool call', [{ type: 'custom_tool_call', name: 'g', input: 'xy' }], PER_ITEM + 3],
    [
      'sealed reasoning',
      [{ type: 'reasoning', summary: [{ text: 'x' }], encrypted_content: 'x'.repeat(1000) }],
      PER_ITEM + 25,
    ],
    ['open reasoning', [{ type: 'reasoning', summary: [{ type: 'summary_text', text: 'x' }] }], PER_ITEM + 1],
    ['tools among the input', [{ type: 'additional_tools', role: 'developer', tools: [1] }], PER_ITEM + 3],
    ['a made image', [{ type: 'image_generation_call', id: 'ig', result: 'A'.repeat(100_000) }], PER_ITEM + 765],
    [
      'a file',
      [{ role: 'user', content: [{ type: 'input_file', filename: 'a.pdf', file_data: 'A'.repeat(1024) }] }],
      PER_ITEM + 48,
    ],
    ['no input', undefined, 0],
    ['numbers', [1, true, null], 3 * PER_ITEM + 2],
  ])('counts %s', (_, input, expected) => {
    expect(tokens({ model: 'gpt-5.5', input })).toBe(PER_REQUEST + expected);
  });

  it('counts instructions, tools and an answer format', () => {
    const body = {
      instructions: 'be',
      tools: [{ type: 'web_search' }],
      text: { format: { type: 'json_schema', schema: {} } },
    };
    expect(tokens(body)).toBe(PER_REQUEST + PER_ITEM + 2 + JSON.stringify(body.tools).length + 2);
  });

  it.each<[string, object, number]>([
    ['1024 x 1024', { image_url: png(1024, 1024) }, 765],
    ['512 x 512', { image_url: png(512, 512) }, 255],
    ['2048 x 4096', { image_url: png(2048, 4096) }, 1105],
    ['a JPEG of 800 x 600', { image_url: jpeg(800, 600) }, 765],
    ['low detail', { image_url: png(4096, 4096), detail: 'low' }, 85],
    ['an unknown format', { image_url: 'data:image/webp;base64,AAAA' }, 765],
    ['an address', { image_url: 'https://a.example/x.png' }, 765],
    ['no pixels', { image_url: png(0, 0) }, 765],
    ['a file id', { file_id: 'file_1' }, 765],
  ])('counts an image of %s', (_, fields, expected) => {
    const input = [{ role: 'user', content: [{ type: 'input_image', ...fields }] }];
    expect(tokens({ input })).toBe(PER_REQUEST + PER_ITEM + expected);
  });

  it('takes any shape', () => {
    const name = fc.constantFrom(
      'input',
      'content',
      'tools',
      'text',
      'image_url',
      'file_data',
      'output',
      'type',
      'detail',
    );
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 6 },
        fc.jsonValue(),
        fc.constant('data:image/png;base64,/9j/////'),
        fc.array(tie('tree')),
        fc.dictionary(name, tie('tree'), { noNullPrototype: true }),
      ),
    }));
    fc.assert(
      fc.property(tree, (body) => {
        expect(tokens(body)).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 1000 },
    );
  });
});
