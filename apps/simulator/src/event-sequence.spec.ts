import { type AnswerPlan, planAnswer } from './answer-plan.js';
import { eventSequence } from './event-sequence.js';
import type { Fault } from './fault.js';
import { isObject, type JsonObject } from './json.js';
import { ResponseObject } from './response-object.js';
import type { Script } from './script.js';
import { CompactedContents } from './compacted-contents.js';
import { Seal } from './seal.js';

interface ParsedEvent extends JsonObject {
  type: string;
  sequence_number: number;
}

const SERVICE = { seal: new Seal(null), contents: new CompactedContents(), compaction: 'native' } as const;
const MODEL = { model: 'gpt-5.5', input: 'hi' };

function sequenceOf(script: Script, body: JsonObject = MODEL, fault: Fault | null = null): ParsedEvent[] {
  const plan: AnswerPlan = planAnswer(body, script, fault, SERVICE);
  const events = eventSequence(plan, new ResponseObject('resp_test', body), () => '{"total_tokens":1}');
  return events.map((event) => JSON.parse(event.json) as ParsedEvent);
}

function typesOf(events: ParsedEvent[]): string[] {
  return events.map((event) => event.type);
}

function outputOf(events: ParsedEvent[]): unknown {
  const response = events.at(-1)?.['response'];
  return isObject(response) ? response['output'] : undefined;
}

describe('eventSequence', () => {
  it('follows the order of the real service for a message', () => {
    expect(typesOf(sequenceOf({ text: 'one two' }))).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.content_part.added',
      'response.output_text.delta',
      'response.output_text.delta',
      'response.output_text.done',
      'response.content_part.done',
      'response.output_item.done',
      'response.completed',
    ]);
  });

  it('puts reasoning before the call, and the call without content parts', () => {
    const events = sequenceOf({ reasoning: true, call: { name: 'f', arguments: { a: 1 } } });
    expect([...new Set(typesOf(events))]).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.reasoning_summary_part.added',
      'response.reasoning_summary_text.delta',
      'response.reasoning_summary_text.done',
      'response.reasoning_summary_part.done',
      'response.output_item.done',
      'response.function_call_arguments.delta',
      'response.function_call_arguments.done',
      'response.completed',
    ]);
    expect(outputOf(events)).toMatchObject([{ type: 'reasoning' }, { type: 'function_call', name: 'f' }]);
  });

  it.each<[string, Script, Fault | null]>([
    ['a plain answer', {}, null],
    ['keepalives and unknown events', { deltas: 40, keepalive: true, unknown_events: true, reasoning: true }, null],
    ['an error', {}, { kind: 'error_event' }],
    ['a late failure', { deltas: 9, keepalive: true }, { kind: 'failed', after_events: 12 }],
  ])('numbers from 0 without gaps: %s', (_, script, fault) => {
    const numbers = sequenceOf(script, MODEL, fault).map((event) => event.sequence_number);
    expect(numbers).toEqual(numbers.map((_number, index) => index));
  });

  it('writes the type first and then the sequence number', () => {
    const plan = planAnswer(MODEL, { keepalive: true }, null, SERVICE);
    for (const { json, type } of eventSequence(plan, new ResponseObject('resp_test', MODEL), () => 'null')) {
      expect(json.startsWith(`{"type":"${type}","sequence_number":`)).toBe(true);
    }
  });

  it('keeps response id and item ids the same in every event', () => {
    const events = sequenceOf({ reasoning: true, text: 'a b c' });
    const responses = events.map((event) => event['response']).filter(isObject);
    expect(responses.map((response) => response['id'])).toEqual(['resp_test', 'resp_test', 'resp_test']);
    const ids = [0, 1].map((index) => {
      const own = events.filter((event) => event['output_index'] === index);
      return new Set(own.map((event) => event['item_id'] ?? (event['item'] as JsonObject)['id']));
    });
    expect(ids.map((set) => set.size)).toEqual([1, 1]);
    expect([...(ids[0] ?? [])][0]).toMatch(/^rs_[0-9a-f]{50}$/);
    expect([...(ids[1] ?? [])][0]).toMatch(/^msg_[0-9a-f]{50}$/);
  });

  it('has deltas that join to the text, and the done items as output', () => {
    const text = '  Grüße, \n 世界! ';
    const events = sequenceOf({ text });
    const deltas = events.filter((event) => event.type === 'response.output_text.delta');
    expect(deltas.map((event) => event['delta']).join('')).toBe(text);
    const done = events.filter((event) => event.type === 'response.output_item.done').map((event) => event['item']);
    expect(outputOf(events)).toEqual(done);
  });

  it('emits exactly as many text deltas as scripted', () => {
    const deltas = sequenceOf({ deltas: 137 }).filter((event) => event.type === 'response.output_text.delta');
    expect(deltas).toHaveLength(137);
  });

  it('seals reasoning only when the request includes it', () => {
    const sealed = sequenceOf({ reasoning: true }, { ...MODEL, include: ['reasoning.encrypted_content'] });
    expect(outputOf(sealed)).toMatchObject([{ encrypted_content: expect.stringMatching(/^gAAAAAB/) }, {}]);
    expect(JSON.stringify(sequenceOf({ reasoning: true }))).not.toContain('encrypted_content');
  });

  it('answers a compaction trigger by exactly one compaction item', () => {
    const input = [{ role: 'user', content: 'hi' }, { type: 'compaction_trigger' }];
    const events = sequenceOf({ reasoning: true }, { model: 'gpt-5.5', input });
    expect(typesOf(events)).toEqual([
      'response.created',
      'response.in_progress',
      'response.output_item.added',
      'response.output_item.done',
      'response.completed',
    ]);
    expect(outputOf(events)).toEqual([
      { type: 'compaction', id: expect.stringMatching(/^cmp_/), encrypted_content: expect.any(String) },
    ]);
  });

  it('emits a custom tool call with its input', () => {
    const events = sequenceOf({ call: { name: 'apply_patch', input: '*** Begin Patch' } });
    expect(typesOf(events)).toContain('response.custom_tool_call_input.done');
    expect(outputOf(events)).toMatchObject([
      { type: 'custom_tool_call', input: '*** Begin Patch', status: 'completed' },
    ]);
  });

  it('ends a failure by the error event, if asked, and response.failed', () => {
    const types = typesOf(sequenceOf({}, MODEL, { kind: 'error_event' }));
    expect(types).toEqual(['response.created', 'response.in_progress', 'error', 'response.failed']);
  });

  it('echoes the request in every response object', () => {
    const echoed = { instructions: 'be brief', tools: [{ type: 'web_search' }], metadata: { a: 'b' } };
    const [created] = sequenceOf({}, { ...MODEL, ...echoed });
    expect(created?.['response']).toMatchObject({ ...echoed, model: 'gpt-5.5', status: 'in_progress', usage: null });
  });
});
