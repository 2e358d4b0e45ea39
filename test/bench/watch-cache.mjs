// What it costs to watch the prompt cache: `node test/bench/watch-cache.mjs`. No sockets: reading a call out of its bytes, as ever, and
// what is added for a session, one call after the other. Median and 95th percentile of single calls.
import { cpus, loadavg } from 'node:os';
import { prefixChange, prefixFingerprint } from '../../dist/libs/cache-health/src/index.js';
import { prefixParts, readResponseCall } from '../../dist/libs/protocol/src/index.js';

const ROUNDS = 2_000;
const BODIES = [
  { name: '40 KB, 40 items', bytes: 40_000, items: 40 },
  { name: '2 MB, 800 items', bytes: 2_000_000, items: 800 },
  { name: '2 MB, 20 000 items', bytes: 2_000_000, items: 20_000 },
];

console.log(`node ${process.version}, ${cpus().length} cores, load ${loadavg()[0].toFixed(1)}`);
for (const { name, bytes, items } of BODIES) {
  const raw = bodyOf(bytes, items);
  const call = readResponseCall(raw);
  const before = prefixFingerprint(raw, prefixParts(call));
  const rounds = bytes > 1_000_000 ? ROUNDS / 10 : ROUNDS;
  console.log(`${name}:`);
  console.log(`  read the call     ${timed(rounds, () => readResponseCall(raw))}`);
  console.log(`  sum up its prefix ${timed(rounds, () => prefixFingerprint(raw, prefixParts(call)))}`);
  console.log(`  compare           ${timed(rounds, () => prefixChange(before, before))}`);
}

/** A third of it instructions and tools, as with Codex. */
function bodyOf(bytes, items) {
  const text = 'The quick brown fox \\n jumps "over" the lazy dog. ';
  const words = (length) => text.repeat(Math.ceil(length / text.length)).slice(0, length);
  const head = bytes > 1_000_000 ? 40_000 : bytes / 3;
  const each = Math.max(1, Math.floor((bytes - head) / items) - 90);
  const input = Array.from({ length: items }, (_, index) => ({
    type: 'message',
    role: index % 2 === 0 ? 'user' : 'assistant',
    content: [{ type: 'input_text', text: `${index} ${words(each)}` }],
  }));
  const tools = [{ type: 'function', name: 'shell', description: words(head / 2), parameters: { type: 'object' } }];
  return Buffer.from(JSON.stringify({ model: 'gpt-5.5', instructions: words(head / 2), tools, input, stream: true }));
}

function timed(rounds, work) {
  for (let round = 0; round < rounds / 4; round++) work();
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const startedAt = performance.now();
    work();
    times.push(performance.now() - startedAt);
  }
  times.sort((one, other) => one - other);
  const at = (share) => `${times[Math.floor(times.length * share)].toFixed(4)} ms`;
  return `median ${at(0.5)}, 95th percentile ${at(0.95)}`;
}
