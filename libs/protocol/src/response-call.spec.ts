import { GatewayError } from './gateway-error.js';
import { readResponseCall, rewriteCall } from './response-call.js';

const call = (text: string) => readResponseCall(Buffer.from(text));

function refusal(text: string): { status: number; code: string; param: string | null } {
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

describe('rewriteCall', () => {
  const rewritten = (text: string, model: string | null, storeFalse: boolean) =>
    rewriteCall(call(text), { model, storeFalse }).toString();

  it('changes only the bytes of the model', () => {
    expect(rewritten('{"model" : "a","input":"a"}', 'b"c', false)).toBe('{"model" : "b\\"c","input":"a"}');
  });

  it('sets store to false wherever it stands, or adds it', () => {
    expect(rewritten('{"store":true,"model":"a"}', null, true)).toBe('{"store":false,"model":"a"}');
    expect(rewritten('{"model":"a","store": null }', null, true)).toBe('{"model":"a","store": false }');
    expect(rewritten(' {"model":"a"}', null, true)).toBe(' {"store":false,"model":"a"}');
  });

  it('hands back the very same bytes when there is nothing to change', () => {
    const read = call('{"model":"a","store":false}');
    expect(rewriteCall(read, { model: 'a', storeFalse: true })).toBe(read.raw);
  });

  it('makes both changes in one go', () => {
    expect(rewritten('{"store":true,"x":[1],"model":"a"}', 'b', true)).toBe('{"store":false,"x":[1],"model":"b"}');
  });
});
