import fc from 'fast-check';
import { EventStreamTap } from './event-stream-tap.js';

const completed = {
  type: 'response.completed',
  sequence_number: 3,
  response: {
    id: 'resp_1',
    model: 'gpt-5.5-2026',
    status: 'completed',
    output: [{ type: 'message', content: [{ text: 'data: {"type":"response.failed"}\\"' }] }],
    usage: {
      input_tokens: 10,
      input_tokens_details: { cached_tokens: 4, cache_write_tokens: 2 },
      output_tokens: 7,
      output_tokens_details: { reasoning_tokens: 3 },
      total_tokens: 17,
    },
  },
};

const events = [
  { type: 'response.created', sequence_number: 0, response: { object: 'response', id: 'resp_1', output: [] } },
  { type: 'response.output_text.delta', sequence_number: 1, delta: 'the text says response.completed' },
  { type: 'response.output_text.delta', sequence_number: 2, delta: 'ü'.repeat(90) },
  completed,
];

function stream(all: object[], newline = '\n', withEventLine = true): string {
  return all
    .map((event) => {
      const type = withEventLine ? `event: ${(event as { type: string }).type}${newline}` : '';
      return `${type}data: ${JSON.stringify(event)}${newline}${newline}`;
    })
    .join('');
}

function feed(tap: EventStreamTap, text: string, cuts: readonly number[] = []): number {
  const bytes = Buffer.from(text);
  const edges = [...new Set([0, ...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length])].toSorted(
    (a, b) => a - b,
  );
  let boundary = 0;
  edges.slice(1).forEach((edge, i) => {
    const start = edges[i] ?? 0;
    const whole = tap.push(Buffer.from(bytes.subarray(start, edge)));
    if (whole > 0) boundary = start + whole;
  });
  return boundary;
}

describe('EventStreamTap', () => {
  it('reads id, model, status and usage from the terminal event', () => {
    const tap = new EventStreamTap();
    feed(tap, stream(events));
    expect(tap.responseId).toBe('resp_1');
    expect(tap.terminal).toEqual({
      type: 'response.completed',
      response: expect.any(Buffer),
      id: 'resp_1',
      model: 'gpt-5.5-2026',
      status: 'completed',
      usage: { inputTokens: 10, cachedTokens: 4, cacheWriteTokens: 2, outputTokens: 7, reasoningTokens: 3 },
      errorCode: null,
      errorMessage: null,
      serviceTier: null,
    });
  });

  it('gives the same result however the bytes are split', () => {
    const text = `: ping\n\n${stream(events)}`;
    const size = Buffer.byteLength(text);
    fc.assert(
      fc.property(fc.array(fc.nat({ max: size }), { maxLength: 40 }), fc.boolean(), (cuts, crlf) => {
        const tap = new EventStreamTap();
        const whole = crlf ? text.replaceAll('\n', '\r\n') : text;
        expect(feed(tap, whole, cuts)).toBe(Buffer.byteLength(whole));
        expect(tap.terminal?.usage?.outputTokens).toBe(7);
        expect(tap.responseId).toBe('resp_1');
        expect(tap.nextSequenceNumber()).toBe(4);
      }),
      { numRuns: 500 },
    );
  });

  it('gives the next sequence number wherever the bytes are split, also when the numbers start anywhere', () => {
    const late = events.slice(0, 3).map((event, i) => ({ ...event, sequence_number: 1234 + i }));
    const text = stream(late);
    for (let cut = 0; cut <= Buffer.byteLength(text); cut++) {
      const tap = new EventStreamTap();
      feed(tap, text, [cut]);
      expect(tap.nextSequenceNumber()).toBe(1237);
    }
  });

  it('reads a stream that comes byte by byte', () => {
    const text = stream(events);
    const tap = new EventStreamTap();
    feed(
      tap,
      text,
      Array.from({ length: Buffer.byteLength(text) }, (_, i) => i),
    );
    expect(tap.terminal?.type).toBe('response.completed');
    expect(tap.nextSequenceNumber()).toBe(4);
  });

  it('counts only whole events towards the boundary and the next sequence number', () => {
    const tap = new EventStreamTap();
    const whole = stream(events.slice(0, 2));
    const boundary = tap.push(Buffer.from(`${whole}event: response.output_text.delta\ndata: {"type":"response.out`));
    expect(boundary).toBe(whole.length);
    expect(tap.nextSequenceNumber()).toBe(2);
  });

  it.each([
    ['no event lines', stream(events, '\n', false)],
    ['no space after the colon', stream(events).replaceAll('data: ', 'data:')],
    ['the type not first', stream(events.map(({ type, ...rest }) => ({ ...rest, type })))],
    ['a JSON spread over several data lines', stream(events).replaceAll(',"response"', ',\ndata: "response"')],
    ['a [DONE] behind the terminal event', `${stream(events)}data: [DONE]\n\n`],
  ])('understands %s', (_, text) => {
    const tap = new EventStreamTap();
    tap.push(Buffer.from(text));
    expect(tap.terminal?.usage?.inputTokens).toBe(10);
  });

  it('takes a last event without its blank line when the stream ends', () => {
    const tap = new EventStreamTap();
    tap.push(Buffer.from(stream(events).trimEnd()));
    expect(tap.terminal).toBeNull();
    tap.end();
    expect(tap.terminal?.type).toBe('response.completed');
  });

  it('prefers response.failed to the error event before it, and keeps the error when it stands alone', () => {
    const error = { type: 'error', sequence_number: 1, error: { code: 'insufficient_quota', message: 'no money' } };
    const failed = {
      type: 'response.failed',
      sequence_number: 2,
      response: { id: 'resp_1', status: 'failed', error: { code: 'quota', message: 'none' }, usage: null },
    };
    const alone = new EventStreamTap();
    alone.push(Buffer.from(stream([error])));
    expect(alone.terminal).toMatchObject({ type: 'error', errorCode: 'insufficient_quota', errorMessage: 'no money' });
    const both = new EventStreamTap();
    both.push(Buffer.from(stream([error, failed])));
    expect(both.terminal).toMatchObject({ type: 'response.failed', errorCode: 'quota', usage: null });
  });

  it('passes by data that is not JSON', () => {
    const tap = new EventStreamTap();
    tap.push(Buffer.from('data: {broken\n\ndata: hello\n\n'));
    expect(tap.terminal).toBeNull();
    expect(tap.nextSequenceNumber()).toBe(2);
  });
});
