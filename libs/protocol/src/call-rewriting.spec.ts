import * as fc from 'fast-check';
import { type CallChanges, rewriteCall } from './call-rewriting.js';
import { readResponseCall } from './response-call.js';

const call = (text: string) => readResponseCall(Buffer.from(text));
const UNCHANGED: CallChanges = { model: 'a', storeFalse: false, stream: null, strip: [], overrides: [] };
const rewritten = (text: string, changes: Partial<CallChanges>) =>
  rewriteCall(call(text), { ...UNCHANGED, ...changes }).toString();

describe('rewriteCall', () => {
  it('changes only the bytes of the model', () => {
    expect(rewritten('{"model" : "a","input":"a"}', { model: 'b"c' })).toBe('{"model" : "b\\"c","input":"a"}');
  });

  it('sets store to false wherever it stands, or adds it', () => {
    const storeFalse = true;
    expect(rewritten('{"store":true,"model":"a"}', { storeFalse })).toBe('{"store":false,"model":"a"}');
    expect(rewritten('{"model":"a","store": null }', { storeFalse })).toBe('{"model":"a","store": false }');
    expect(rewritten(' {"model":"a"}', { storeFalse })).toBe(' {"store":false,"model":"a"}');
  });

  it('hands back the very same bytes when there is nothing to change', () => {
    const read = call('{"model":"a","store":false,"stream":true}');
    expect(rewriteCall(read, { ...UNCHANGED, storeFalse: true, stream: true })).toBe(read.raw);
  });

  it('makes several changes in one go', () => {
    expect(rewritten('{"store":true,"x":[1],"model":"a"}', { model: 'b', storeFalse: true, stream: true })).toBe(
      '{"stream":true,"store":false,"x":[1],"model":"b"}',
    );
  });

  it('sets and takes out members, wherever they stand', () => {
    const body = fc.dictionary(
      // Short names are none that the reader checks.
      fc.string({ maxLength: 4 }),
      fc.jsonValue().filter((value) => !JSON.stringify(value).includes('"__proto__"')),
    );
    fc.assert(
      fc.property(body, fc.nat(), fc.boolean(), (fields, pick, isSet) => {
        const names = Object.keys(fields);
        const name = names[pick % Math.max(1, names.length)] ?? 'added';
        const wanted: Record<string, unknown> = { ...fields, model: 'a' };
        if (isSet) wanted[name] = { set: 1 };
        else delete wanted[name];
        const text = JSON.stringify({ ...fields, model: 'a' }, null, pick % 3);
        const json = isSet ? '{"set":1}' : null;
        const overrides = [{ name, json }];
        expect(JSON.parse(rewritten(text, { overrides }))).toEqual(JSON.parse(JSON.stringify(wanted)));
      }),
    );
  });

  it('takes whole items out of the input, with their commas', () => {
    const isStripped = fc.array(fc.boolean(), { maxLength: 12 });
    fc.assert(
      fc.property(isStripped, fc.nat({ max: 2 }), (stripped, indent) => {
        const item = (isBlob: boolean, index: number) =>
          isBlob ? { type: 'reasoning', encrypted_content: `blob-${index}`, summary: [{ text: ',]' }] } : { n: index };
        const body = { model: 'a', input: stripped.map(item), tail: [1] };
        const read = call(JSON.stringify(body, null, indent));
        const result = rewriteCall(read, { ...UNCHANGED, strip: read.encryptedContents }).toString();
        const kept = body.input.filter((_, index) => !stripped[index]);
        expect(JSON.parse(result)).toEqual({ ...body, input: kept });
      }),
    );
  });
});
