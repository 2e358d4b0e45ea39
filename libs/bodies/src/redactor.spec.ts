import fc from 'fast-check';
import { compilePattern } from '@app/contract';
import type { EventFrame } from './event-frames.js';
import { Redactor } from './redactor.js';

const redactor = (patterns: string[] = [], jsonPaths: string[] = []) =>
  new Redactor({ patterns: patterns.map(compilePattern), jsonPaths });
const document = (text: string, patterns: string[] = [], jsonPaths: string[] = []) =>
  redactor(patterns, jsonPaths).document(text);

describe('Redactor', () => {
  it('leaves what no rule concerns as it is, to the byte', () => {
    const text = '{ "a":1.0, "big": 12345678901234567890, "a" : "twice \\u00fc" }';
    const one = redactor(['nothing'], ['$.nothing']);
    expect(one.document(text)).toBe(text);
    expect(one.hasRedacted).toBe(false);
  });

  it.each([
    ['a key of OpenAI’s form', 'sk-proj-abcdefghijklmnop1234'],
    ['a key of ours', `sk-tg-${'a'.repeat(43)}`],
    ['an admin token', `tga-${'b'.repeat(43)}`],
    ['a token of GitHub', 'ghp_0123456789abcdefghij'],
    ['a JSON web token', 'eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl'],
    ['a bearer token', 'Bearer eyJhbGciOi.J9.abc-def_123'],
  ])('takes out %s without being told', (_, secret) => {
    expect(document(JSON.stringify({ input: `use ${secret} now` }))).toBe('{"input":"use [redacted] now"}');
    expect(document(`no JSON: ${secret}`)).toBe('no JSON: [redacted]');
  });

  it('looks at strings as they are meant, whatever their escapes', () => {
    expect(document('{"a":"p\\u0061ss: x\\ny"}', ['pass: x\\ny'])).toBe('{"a":"[redacted]"}');
  });

  it('finds what JSON.parse does not show: names, and members that are there twice', () => {
    expect(document('{"canary1":1,"a":"canary2","a":"b"}', ['canary\\d'])).toBe(
      '{"[redacted]":1,"a":"[redacted]","a":"b"}',
    );
  });

  it('ignores case behind (?i), and replaces by nothing but the mark', () => {
    expect(document('{"a":"CANARY"}', ['(?i)canary'])).toBe('{"a":"[redacted]"}');
    expect(document('{"a":"CANARY"}', ['canary'])).toBe('{"a":"CANARY"}');
  });

  it('takes out values by their path, also within the response of an event', () => {
    expect(document('{"metadata":{"user":"ada"},"n":1}', [], ['$.metadata.user'])).toBe(
      '{"metadata":{"user":"[redacted]"},"n":1}',
    );
    const [event] = redactor([], ['$.output[*].text']).events([
      data({ type: 'response.completed', response: { output: [{ text: 'secret' }] } }),
    ]);
    expect(event?.data).toBe('{"type":"response.completed","response":{"output":[{"text":"[redacted]"}]}}');
  });

  it('keeps nothing of what cannot be read when there are paths', () => {
    expect(document('{"metadata":{"user":"ada"', [], ['$.metadata.user'])).not.toContain('ada');
    const [cut, done] = redactor([], ['$.a']).events([
      { atMs: 0, event: null, data: '{"a":"ada' },
      { atMs: 0, event: null, data: '[DONE]' },
    ]);
    expect(cut?.data).not.toContain('ada');
    expect(done?.data).toBe('[DONE]');
  });

  it('finds a secret wherever a stream cuts it into deltas, and leaves the rest of the text', () => {
    const secret = 'canary-0123456789abcdef';
    const text = `before ${secret} between ${secret} after`;
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(text.length), { maxLength: 12 }), (cuts) => {
        const places = [0, ...cuts.toSorted((a, b) => a - b), text.length];
        const deltas = places.slice(1).map((to, index) => text.slice(places[index], to));
        const result = redactor(['canary-[0-9a-f]{16}']).events(deltas.map((delta) => deltaEvent(delta, 0)));
        const told = result.map(({ data: json }) => (JSON.parse(json ?? '') as { delta: string }).delta);
        expect(told.join('')).toBe('before [redacted] between [redacted] after');
      }),
    );
  });

  it('puts only deltas of one text together', () => {
    const one = redactor(['abcd']);
    const frames = [deltaEvent('ab', 0), deltaEvent('cd', 1)];
    expect(one.events(frames)).toEqual(frames);
    expect(one.hasRedacted).toBe(false);
  });
});

function data(value: object): EventFrame {
  return { atMs: 0, event: null, data: JSON.stringify(value) };
}

function deltaEvent(delta: string, output: number): EventFrame {
  return data({ type: 'response.output_text.delta', item_id: 'msg_1', output_index: output, delta });
}
