import fc from 'fast-check';
import { eventFrames, isEventStream } from './event-frames.js';

/** The pieces of a stream, each handed over a second after the one before. */
function written(...pieces: (string | Uint8Array)[]) {
  const buffers = pieces.map((piece) => Buffer.from(piece as string));
  let end = 0;
  const ends = buffers.map(({ length }) => (end += length));
  return { bytes: Buffer.concat(buffers), pieces: { ends, atMs: ends.map((_, index) => index * 1000) } };
}

const frames = (...pieces: (string | Uint8Array)[]) => {
  const { bytes, pieces: places } = written(...pieces);
  return eventFrames(bytes, places, Infinity);
};

describe('eventFrames', () => {
  it('gives each event the time of the piece that completed it', () => {
    expect(frames('event: a\ndata: 1\n\nevent: b\n', 'data: 2\n', '\nevent: c\ndata: 3\n\n')).toEqual([
      { atMs: 0, event: 'a', data: '1' },
      { atMs: 2000, event: 'b', data: '2' },
      { atMs: 2000, event: 'c', data: '3' },
    ]);
  });

  it('reads lines in either form, data of several lines, comments, and an end without a blank line', () => {
    expect(frames('data:1\r\ndata: 2\r\n\r\n: keep-alive\n\ndata: [DONE]')).toEqual([
      { atMs: 0, event: null, data: '1\n2' },
      { atMs: 0, event: null, data: null },
      { atMs: 0, event: null, data: '[DONE]' },
    ]);
  });

  it('leaves out what is not whole within the bound', () => {
    const { bytes, pieces } = written('data: 1\n\ndata: 22\n\n');
    expect(eventFrames(bytes, pieces, bytes.length).map(({ data }) => data)).toEqual(['1', '22']);
    expect(eventFrames(bytes, pieces, bytes.length - 2).map(({ data }) => data)).toEqual(['1']);
  });

  it('finds the same events wherever a stream is cut into pieces', () => {
    const stream = Buffer.from('event: a\ndata: {"x":"ü🌍"}\n\n: c\n\ndata: 2\n\n');
    const whole = frames(stream).map(({ event, data }) => ({ event, data }));
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat(stream.length), { maxLength: 6 }), (cuts) => {
        const places = [0, ...cuts.toSorted((a, b) => a - b), stream.length];
        const pieces = places.slice(1).map((to, index) => stream.subarray(places[index], to));
        expect(frames(...pieces).map(({ event, data }) => ({ event, data }))).toEqual(whole);
      }),
    );
  });
});

describe('isEventStream', () => {
  it.each([
    ['event: a\n', true],
    ['data: a\n', true],
    [': keep-alive\n', true],
    ['{"id":1}', false],
    ['upstream error', false],
    ['', false],
  ])('%j: %s', (text, isStream) => expect(isEventStream(Buffer.from(text))).toBe(isStream));
});
