/** Headers of an answer that is a stream of events, names and values in turn. */
export const EVENT_STREAM_HEAD = [
  'content-type',
  'text/event-stream; charset=utf-8',
  'cache-control',
  'no-cache, no-transform',
  'x-accel-buffering',
  'no',
] as const;
