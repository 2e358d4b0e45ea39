import { readFileSync, writeFileSync } from 'node:fs';
import { CompactionScene, message, outputOf } from '../support/compaction-scene.js';

const CONVERSATION_BYTES = 3 * 1024 * 1024;
const WINDOW_TOKENS = 128_000;
const EXTRA_BYTES_MAX = 50 * 1024 * 1024;

/** Twenty turns of a session, each with a large tool output and a fact in it. */
function conversation(bytes: number) {
  const turns = 20;
  const filler = 'drwxr-xr-x 2 user user 4096 src/"file".ts\n'.repeat(Math.floor(bytes / turns / 50));
  return Array.from({ length: turns }, (_, turn) => [
    message('user', `Turn ${turn}.`),
    { type: 'function_call', call_id: `call_${turn}`, name: 'shell', arguments: '{"cmd":"ls -R"}' },
    {
      type: 'function_call_output',
      call_id: `call_${turn}`,
      output: `${filler}FACT-${turn} is known\n${filler}`.slice(0, -1),
    },
  ]).flat();
}

const memoryKb = (pid: number | undefined, name: string) =>
  Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);

describe('a conversation of 3 MB', () => {
  it('is compacted for a window of 128 000 tokens within 50 MB of memory, and loses no fact', async () => {
    const scene = await CompactionScene.start({ compaction: 'unknown', contextWindowTokens: WINDOW_TOKENS });
    const { pid } = scene.gateway.process;
    await scene.compact(conversation(CONVERSATION_BYTES / 30));
    const isMeasured = process.platform === 'linux';
    // The peak begins anew here.
    if (isMeasured) writeFileSync(`/proc/${pid}/clear_refs`, '5');
    const before = isMeasured ? memoryKb(pid, 'VmRSS') : 0;
    const body = JSON.stringify({ model: 'gpt-5.5', input: conversation(CONVERSATION_BYTES) });
    expect(body.length).toBeGreaterThan(CONVERSATION_BYTES);
    const answer = await scene.post('/v1/responses/compact', body);
    const extraBytes = isMeasured ? (memoryKb(pid, 'VmHWM') - before) * 1024 : 0;
    await scene.stop();
    expect(answer.status).toBe(200);
    const output = outputOf(answer);
    expect(output.filter(({ role }) => role === 'user')).toHaveLength(20);
    for (let turn = 0; turn < 20; turn++) expect(JSON.stringify(output)).toContain(`FACT-${turn} is known`);
    if (!isMeasured) process.stderr.write('The memory of a compaction is measured on Linux only.\n');
    expect(extraBytes).toBeLessThan(EXTRA_BYTES_MAX);
  });
});
