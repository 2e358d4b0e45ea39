import { parentPort } from 'node:worker_threads';
import { inputTokens } from './input-tokens.js';
import { TextCounter } from './text-counter.js';

// The thread behind TokenEstimator: a request's body comes in, its number of input tokens goes out.
parentPort?.on('message', (body: ArrayBuffer) => {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- threads have no origins
  parentPort?.postMessage(tokensOf(Buffer.from(body)));
});

function tokensOf(body: Buffer): number {
  const text = body.toString('utf8');
  try {
    return inputTokens(JSON.parse(text), textCount());
  } catch {
    // Not JSON, or nested too deep to be read: whatever it is, it is a text.
    return textCount()(text);
  }
}

function textCount(): (text: string) => number {
  const counter = new TextCounter();
  return (text) => counter.count(text);
}
