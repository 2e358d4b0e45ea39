import { GatewayError } from './gateway-error.js';
import { encryptedContentFingerprint, readResponseCall } from './response-call.js';

const call = (text: string) => readResponseCall(Buffer.from(text));

function refusal(text: string): { status: number; code: string | null; param: string | null } {
  try {
    call(text);
  } catch (error) {
    if (error instanceof GatewayError) return { status: error.status, ...error.toBody().error };
  }
  throw new Error('was not refused');
}

describe('readResponseCall', () => {
  it('reads model, stream and cache key and leaves the bytes alone', () => {
    const raw = Buffer.from('{ "model" : "gpt-5.5", "n": 1.0, "stream":true,"prompt_cache_key":"s1"}');
    expect(readResponseCall(raw)).toMatchObject({ raw, model: 'gpt-5.5', stream: true, promptCacheKey: 's1' });
  });

  it.each([
    ['{"input":"hi"}', 'missing_required_parameter', 'model'],
    ['{"model":null}', 'missing_required_parameter', 'model'],
    ['{"model":7}', 'invalid_type', 'model'],
    ['{"model":"m","stream":"yes"}', 'invalid_type', 'stream'],
    ['{"model":"m"', 'invalid_json', null],
    ['{"model":"m","model":"other"}', 'invalid_json', null],
    ['', 'invalid_json', null],
  ])('refuses %s', (text, code, param) => expect(refusal(text)).toMatchObject({ status: 400, code, param }));
});

describe('references in a call', () => {
  it('finds them wherever an id may stand', () => {
    const read = call(
      JSON.stringify({
        previous_response_id: 'resp_1',
        conversation: { id: 'conv_1' },
        prompt_cache_options: { comparison_response_id: 'resp_2' },
        input: [
          { type: 'item_reference', id: 'msg_1' },
          { id: 'msg_2' },
          { id: 'msg_3', type: null },
          { type: 'item_reference', id: 'msg_4', role: 'user' },
          { id: 'msg_5', role: 'user', content: 'hi' },
          { type: 'message', id: 'msg_6', role: 'user', content: [{ type: 'item_reference', id: 'no' }] },
          'text',
          [{ id: 'no' }],
        ],
        metadata: { input: [{ id: 'no' }] },
        model: 'm',
      }),
    );
    expect(read).toMatchObject({
      previousResponseId: 'resp_1',
      conversationId: 'conv_1',
      comparisonResponseId: 'resp_2',
      itemReferences: ['msg_1', 'msg_2', 'msg_3', 'msg_4'],
    });
  });

  it('finds a reference that is written with escapes', () => {
    const read = call('{"model":"m","input":[{"t\\u0079pe":"item\\u005freference","id":"msg\\u005f1"}]}');
    expect(read.itemReferences).toEqual(['msg_1']);
  });

  it.each([
    ['{"model":"m","previous_response_id":7}', 'previous_response_id'],
    ['{"model":"m","conversation":{"id":7}}', 'conversation'],
    ['{"model":"m","input":[{"type":"item_reference","id":7}]}', 'input'],
  ])('refuses %s', (text, param) => expect(refusal(text)).toMatchObject({ status: 400, code: 'invalid_type', param }));

  it('refuses an item with two ids: parsers disagree on which one counts', () => {
    expect(refusal('{"model":"m","input":[{"id":"a","id":"b"}]}')).toMatchObject({ code: 'invalid_json' });
  });

  it('recognises blobs by their ends', () => {
    const blob = 'gAAAA'.padEnd(500, 'x0y1');
    const input = [
      { type: 'reasoning', id: 'rs_1', summary: [], encrypted_content: blob },
      { type: 'reasoning', id: 'rs_2', summary: [], encrypted_content: null },
      { type: 'compaction', encrypted_content: 'short' },
    ];
    expect(call(JSON.stringify({ model: 'm', input })).encryptedContents).toMatchObject([
      { itemType: 'reasoning', fingerprint: encryptedContentFingerprint(blob) },
      { itemType: 'compaction', fingerprint: encryptedContentFingerprint('short') },
    ]);
  });
});

describe('a call for a compaction', () => {
  const callOf = (input: string, more = '') => readResponseCall(Buffer.from(`{"model":"m","input":${input}${more}}`));

  it.each([
    ['[{"role":"user","content":"x"},{"type":"compaction_trigger"}]', true],
    ['[{"type":"compaction_trig\\u0067er"}]', true],
    ['[{"type":"compaction_trigger"},{"role":"user","content":"x"}]', false],
    ['[{"type":"message","content":[{"type":"compaction_trigger"}]}]', false],
    ['[{"type":"compaction_trigger"},7]', false],
    ['[[],{"type":"compaction_trigger"}]', true],
    ['"compaction_trigger"', false],
    ['[]', false],
  ])('%s ends in a trigger: %s', (input, expected) => expect(callOf(input).endsInTrigger).toBe(expected));

  it.each([
    ['', null],
    [',"context_management":null', null],
    [',"context_management":[]', null],
    [',"context_management":[{"type":"other"}]', null],
    [',"context_management":[{"type":"compaction"}]', 0],
    [',"context_management":[{"type":"compaction","compact_threshold":5000}]', 5000],
  ])('the threshold of %j is %s', (more, expected) => expect(callOf('"x"', more).compactThreshold).toBe(expected));

  it('knows the position of each sealed content', () => {
    const { encryptedContents } = callOf(
      '["x",[{}],{"role":"user"},{"type":"compaction","encrypted_content":"a"},{"encrypted_content":"b"}]',
    );
    expect(encryptedContents.map(({ item: { index } }) => index)).toEqual([3, 4]);
  });
});
