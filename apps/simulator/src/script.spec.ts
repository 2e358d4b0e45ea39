import type { ApiError } from './api-error.js';
import { directive, findScript, type Script, withoutDirective } from './script.js';

function scriptOf(input: unknown, more: object = {}): Script {
  return findScript({}, { input, ...more }).script;
}

function complaintOf(json: string): string {
  try {
    findScript({ 'x-simulator': json }, {});
  } catch (error) {
    return (error as ApiError).fields.message;
  }
  return 'accepted';
}

describe('findScript', () => {
  it('reads the directive anywhere in the last user message', () => {
    const input = [
      { role: 'user', content: directive({ text: 'old' }) },
      { type: 'message', role: 'user', content: [{ type: 'input_text', text: `a ${directive({ text: 'new' })} b` }] },
      { type: 'function_call_output', call_id: 'c', output: directive({ text: 'not me' }) },
    ];
    expect(scriptOf(input)).toEqual({ text: 'new' });
  });

  it('prefers the header, then the user message, then the instructions', () => {
    const body = { input: directive({ text: 'user' }), instructions: directive({ text: 'instructions' }) };
    expect(findScript({ 'x-simulator': '{"text":"header"}' }, body).script.text).toBe('header');
    expect(findScript({}, body).script.text).toBe('user');
    expect(findScript({}, { ...body, input: 'plain' }).script.text).toBe('instructions');
  });

  it('reads JSON that holds the closing brackets itself', () => {
    const call = { name: 'f', arguments: { grid: [[1], [2]], text: ']]' } };
    expect(scriptOf(directive({ call }))).toEqual({ call });
  });

  it('is empty for a request without a directive', () => {
    expect(scriptOf('hello [[similar]]')).toEqual({});
    expect(scriptOf(undefined)).toEqual({});
  });

  it.each([
    ['{"txt":"a"}', "unknown field 'txt'"],
    ['{"chunking":0}', "field 'chunking' has an invalid value"],
    ['{"call":{"arguments":{}}}', "field 'call' has an invalid value"],
    ['{"call":{"name":"f","args":{}}}', "field 'call' has an invalid value"],
    ['{"rounds":[[]]}', "field 'rounds' has an invalid value"],
    ['{"rounds":[{"name":"f"}]}', "field 'rounds' has an invalid value"],
    ['{"fault":{"kind":"fire"}}', 'unknown fault kind "fire"'],
    ['{"fault":{"kind":"html","after_events":1}}', "fault 'html' unknown field 'after_events'"],
    ['{"constructor":1}', "unknown field 'constructor'"],
    ['[]', 'must be one JSON object'],
    ['{', 'must be one JSON object'],
  ])('refuses %s and says why', (json, reason) => {
    expect(complaintOf(json)).toContain(reason);
  });

  it('refuses a directive that never ends', () => {
    expect(() => scriptOf('[[sim {"text":"a"}')).toThrow('[[sim {json}]]');
  });
});

describe('withoutDirective', () => {
  it('leaves what the user said', () => {
    expect(withoutDirective(`before ${directive({ deltas: 3 })}after`)).toBe('before after');
  });
});
