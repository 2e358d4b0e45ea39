import fc from 'fast-check';
import { CollectedResponse } from './collected-response.js';

const DONE_ITEMS = [
  '{"type":"response.output_item.done","sequence_number":3,"output_index":1,"item":{"id":"b","n":1.0}}',
  '{"output_index":0,"item":{"id":"a"},"type":"response.output_item.done"}',
];

function framed(events: readonly string[], newline = '\n'): Buffer {
  return Buffer.from(events.map((data) => `event: x${newline}data: ${data}${newline}${newline}`).join(''));
}

function collect(bytes: Buffer, cuts: readonly number[] = []): CollectedResponse {
  const collected = new CollectedResponse();
  let at = 0;
  for (const cut of [...cuts].toSorted((a, b) => a - b)) {
    if (cut <= at || cut >= bytes.length) continue;
    collected.push(bytes.subarray(at, cut));
    at = cut;
  }
  collected.push(bytes.subarray(at));
  collected.end();
  return collected;
}

const jsonOf = (events: readonly string[]) => collect(framed(events)).toJson()?.toString();
const ending = (response: string) => `{"type":"response.completed","sequence_number":9,"response":${response}}`;

describe('CollectedResponse', () => {
  it.each(['\n', '\r\n'])(
    'gives the terminal response in its own bytes, however the bytes are split (%j)',
    (newline) => {
      const response = '{"id":"resp_1", "output":[{"text":"Grüße 1.0"}],"n":1.50,"big":12345678901234567890}';
      const delta = '{"type":"response.output_text.delta","delta":"Grüße"}';
      const bytes = framed([delta, ...DONE_ITEMS, ending(response), '[DONE]'], newline);
      fc.assert(
        fc.property(fc.array(fc.nat(bytes.length)), (cuts) => {
          expect(collect(bytes, cuts).toJson()?.toString()).toBe(response);
        }),
      );
    },
  );

  it.each([
    ['{"id":"resp_1","output":[],"n":1}', '{"id":"resp_1","output":[{"id":"a"},{"id":"b","n":1.0}],"n":1}'],
    ['{"output" : [ \n ] }', '{"output" : [{"id":"a"},{"id":"b","n":1.0}] }'],
    ['{"output":null}', '{"output":[{"id":"a"},{"id":"b","n":1.0}]}'],
    ['{"id":"resp_1"}', '{"output":[{"id":"a"},{"id":"b","n":1.0}],"id":"resp_1"}'],
    ['{}', '{"output":[{"id":"a"},{"id":"b","n":1.0}]}'],
  ])('puts the items that were done into %s, in order', (response, expected) => {
    const lines = ending(response).split('\n');
    const bytes = Buffer.concat([
      framed(DONE_ITEMS),
      Buffer.from(lines.map((line) => `data: ${line}\n`).join('') + '\n'),
    ]);
    expect(collect(bytes).toJson()?.toString()).toBe(expected);
  });

  it('keeps an output that the terminal event lists', () => {
    expect(jsonOf([...DONE_ITEMS, ending('{"output":[{"id":"c"}]}')])).toBe('{"output":[{"id":"c"}]}');
  });

  it.each<[string, string[]]>([
    ['a stream without a terminal event', DONE_ITEMS],
    ['an error event alone', ['{"type":"error","error":{"code":"server_error"}}']],
    ['a terminal event without a response', ['{"type":"response.completed"}']],
    ['a terminal event that is cut', ['{"type":"response.completed","response":{"id":"resp_1"']],
    ['a terminal response that is no object', [ending('"x"')]],
  ])('has nothing for %s', (_, events) => {
    expect(jsonOf(events)).toBeUndefined();
  });

  it('holds no deltas', () => {
    const collected = new CollectedResponse();
    for (let i = 0; i < 1000; i++) collected.push(framed([`{"type":"response.output_text.delta","delta":"${i}"}`]));
    expect(collected.bytes).toBe(0);
    collected.push(framed([DONE_ITEMS[0] ?? '']));
    expect(collected.bytes).toBe('{"id":"b","n":1.0}'.length);
  });
});
