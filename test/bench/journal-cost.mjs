// What a call costs the journal: `node test/bench/journal-cost.mjs`. No sockets: records as a JSON call of Codex makes them, noted
// before the upstream is asked and before the client sees the end, and closed into a row, in a journal on disk that is let go as
// PostgreSQL takes it. CPU of the process (user + sys, its threads too) per call; beside it what one write of the same length costs.
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { RequestJournal, RequestRecord } from '../../dist/libs/journal/src/index.js';
import { UNPRICED } from '../../dist/libs/models/src/index.js';

const { values } = parseArgs({
  options: { calls: { type: 'string', default: '40000' }, rounds: { type: 'string', default: '7' } },
});
const calls = Number(values.calls);
const CALLS_PER_TURN = 8;
const usage = {
  inputTokens: 10_031,
  cachedTokens: 9_216,
  cacheWriteTokens: 0,
  outputTokens: 312,
  reasoningTokens: 128,
};
const nobody = { onWritten() {} };
const clock = { now: Date.now, monotonic: () => performance.now() };

const directory = mkdtempSync(join(tmpdir(), 'tollgate-bench-'));
try {
  console.log(`node ${process.version}, ${cpus().length} cores, load ${loadavg()[0].toFixed(1)}`);
  console.log('µs of CPU a call: asked, ending, closed, all; two writes alone');
  const costs = [];
  for (let round = 0; round <= Number(values.rounds); round++) {
    const cost = await journaled(round);
    if (round > 0) costs.push(cost); // the first one warms up
  }
  const names = ['asked', 'ending', 'closed', 'all', 'writes'];
  for (const name of names) {
    const sorted = costs.map((cost) => cost[name]).toSorted((one, other) => one - other);
    const at = (share) => sorted[Math.round((sorted.length - 1) * share)].toFixed(1);
    console.log(`  ${name.padEnd(8)} median ${at(0.5)}, ${at(0)} … ${at(1)}`);
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}

async function journaled(round) {
  const journal = new RequestJournal({ folder: join(directory, String(round)), bytesMax: 512 * 1024 * 1024 }, clock);
  journal.open();
  const spent = { asked: 0, ending: 0, closed: 0 };
  for (let count = 0; count < calls; count += CALLS_PER_TURN) {
    const records = Array.from({ length: CALLS_PER_TURN }, begin);
    // As the gateway does it: those of one turn of the event loop are written together.
    for (const record of records) record.writeWaiter = nobody;
    spent.asked += cpuMicroseconds(() => records.forEach((record) => record.noteAsked(usage, UNPRICED)));
    spent.asked += cpuMicroseconds(() => journal.endGroup());
    for (const record of records) answer(record);
    spent.ending += cpuMicroseconds(() => records.forEach((record) => record.noteEnding()));
    spent.ending += cpuMicroseconds(() => journal.endGroup());
    for (const record of records) record.close(performance.now());
    const rows = [];
    spent.closed += cpuMicroseconds(() => records.forEach((record) => rows.push(journal.close(record))));
    await new Promise((resolve) => setImmediate(resolve));
    journal.done(rows);
    journal.tick();
  }
  journal.stop();
  for (const part of Object.keys(spent)) spent[part] /= calls;
  return { ...spent, all: spent.asked + spent.ending + spent.closed, writes: written() / calls };

  function begin() {
    const record = new RequestRecord(Date.now(), performance.now(), 'POST /v1/responses');
    Object.assign(record, {
      keeper: journal,
      kind: 'response',
      keyId: record.id,
      keyName: 'laptop of somebody',
      groupId: record.id,
      groupName: 'platform team',
      model: 'gpt-5.5',
      client: 'codex_exec/0.169.0',
      clientIp: '10.20.30.40',
      sessionId: record.id,
      clientRequestId: record.id,
      requestBytes: 40_960,
    });
    record.noteUpstream({ id: record.id, name: 'openai' });
    return record;
  }
}

function answer(record) {
  record.attempts = [
    {
      upstreamId: record.upstreamId,
      upstreamName: 'openai',
      status: 200,
      problem: null,
      connection: null,
      sentMs: 0.3,
      firstByteMs: 12.25,
      durationMs: 80.5,
      headers: { 'content-type': 'application/json', 'openai-processing-ms': '61', 'x-request-id': record.id },
    },
  ];
  Object.assign(record, {
    isComplete: true,
    responseStatus: 'completed',
    responseId: record.ownResponseId,
    upstreamRequestId: record.id,
    servedModel: 'gpt-5.5-2026-04-23',
    serviceTier: 'default',
    usage,
    usageSource: 'response_body',
    settlement: 'final',
    costNanoUsd: 12_345_678n,
    baseCostNanoUsd: 12_345_678n,
    priceMultiplier: 10_000n,
    priceId: record.id,
    pricedCalls: 1,
    upstreamStatus: 200,
    status: 200,
    firstByteMs: 12.5,
    responseBytes: 4_096,
  });
}

/** What a record `opened` and one `settled` cost to be written, and nothing else. */
function written() {
  const file = openSync(join(directory, 'raw'), 'a');
  const [opened, settled] = [Buffer.alloc(600, 'x'), Buffer.alloc(1_100, 'x')];
  const spent = cpuMicroseconds(() => {
    for (let count = 0; count < calls; count++) {
      writeSync(file, opened, 0, opened.length, null);
      writeSync(file, settled, 0, settled.length, null);
    }
  });
  closeSync(file);
  return spent;
}

function cpuMicroseconds(work) {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return user + system;
}
