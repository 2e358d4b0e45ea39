import { isDeepStrictEqual } from 'node:util';
import { RequestRecord } from './request-record.js';
import { COLUMN_NAMES } from './request-row.js';
import { RowText } from './row-text.js';

const USAGE = { inputTokens: 7, cachedTokens: 1, cacheWriteTokens: 0, outputTokens: 3, reasoningTokens: 2 };
/** Another value for each field that a row can tell. */
const CHANGES: Readonly<Partial<Record<keyof RequestRecord, unknown>>> = {
  keyId: 'k',
  keyName: 'ann',
  groupId: 'g',
  groupName: 'team',
  model: 'm',
  servedModel: 'm-1',
  upstreamId: 'u',
  upstreamName: 'openai',
  route: 'POST /v1/else',
  kind: 'compaction',
  stream: true,
  upstreamStatus: 201,
  errorCode: 'x',
  errorMessage: 'what went wrong',
  isComplete: true,
  responseStatus: 'failed',
  cut: 'client',
  usageSource: 'estimate',
  usage: USAGE,
  serviceTier: 'flex',
  baseCostNanoUsd: 3n,
  costNanoUsd: 4n,
  priceId: 'p',
  priceMultiplier: 20_000n,
  pricedCalls: 2,
  firstByteMs: 12,
  durationMs: 99,
  attempts: [
    {
      upstreamId: 'u',
      upstreamName: 'openai',
      status: 200,
      problem: null,
      connection: null,
      sentMs: 1,
      firstByteMs: 2,
      durationMs: 3,
      headers: null,
    },
  ],
  keepAlives: 3,
  clientLeftAction: 'drained',
  lastEvent: 'response.created',
  decision: { rule: 'models' },
  compaction: { form: 'trigger', by: 'gateway' },
  cacheDrop: { reason: 'input' },
  requestBytes: 44,
  responseBytes: 55,
  sessionId: 's',
  client: 'codex',
  clientIp: '10.0.0.1',
  responseId: 'resp_1',
  upstreamRequestId: 'req_1',
  clientRequestId: 'c',
};
/** What a record has that no row tells. */
const UNTOLD: ReadonlySet<string> = new Set(
  `id publicId startedAtMs startedMonotonicMs settling unpricedPolicy usageWatch keeper held writeWaiter isBeingWritten isEnding
   estimate expectedOutputTokens earlierUsage earlierCalls holding isClosed answerHeaders answering isWaitingForTurn
   status settlement`.split(/\s+/),
);
/** A verdict shows only in an outcome, and that of an answer that is not whole does not. */
const UNSEEN: ReadonlySet<string> = new Set(['responseStatus', 'isComplete']);

function rowOf(text: RowText, record: RequestRecord, status = 200): Record<string, unknown> {
  text.update(record, status, 'final');
  const cells = JSON.parse(text.whole(record)) as unknown[];
  expect(cells).toHaveLength(COLUMN_NAMES.length);
  return Object.fromEntries(COLUMN_NAMES.map((name, index) => [name, cells[index]]));
}

const begin = () => new RequestRecord(1_700_000_000_000, 0, 'POST /v1/responses');

describe('the text of a row', () => {
  it('tells whatever has changed since it was last made', () => {
    for (const [name, value] of Object.entries(CHANGES)) {
      const record = begin();
      const text = new RowText();
      const before = rowOf(text, record);
      Object.assign(record, { [name]: value });
      const after = rowOf(text, record);
      expect(after).toEqual(rowOf(new RowText(), record));
      expect([name, !UNSEEN.has(name)]).toEqual([name, !isDeepStrictEqual(after, before)]);
    }
    const record = begin();
    const text = new RowText();
    expect(rowOf(text, record, 200)).toMatchObject({ status: 200, settlement: 'final' });
    record.status = 502;
    record.kind = 'response';
    expect(rowOf(text, record, 502)).toMatchObject({ status: 502, outcome: 'upstream_error' });
  });

  it('knows every field of a record', () => {
    const fields = Object.keys(begin()).filter((name) => !UNTOLD.has(name));
    expect(fields.toSorted()).toEqual(Object.keys(CHANGES).toSorted());
  });

  it('has its cells in the order of the columns', () => {
    const record = Object.assign(begin(), CHANGES);
    expect(rowOf(new RowText(), record)).toMatchObject({
      id: record.id,
      started_at: '2023-11-14T22:13:20.000Z',
      key_name: 'ann',
      request_bytes: 44,
      served_model: 'm-1',
      status: 200,
      error_message: 'what went wrong',
      input_tokens: 7,
      reasoning_tokens: 2,
      cost_nano_usd: '4',
      price_id: 'p',
      attempts: 1,
      last_event: 'response.created',
      base_cost_nano_usd: '3',
      price_multiplier: '2',
      priced_calls: 2,
      first_byte_ms: 12,
      duration_ms: 99,
      response_bytes: 55,
    });
  });

  it('says whether it tells more than before, but for what grows', () => {
    const record = begin();
    const text = new RowText();
    expect(text.update(record, 200, 'final')).toBe(false);
    Object.assign(record, { durationMs: 5, responseBytes: 9, firstByteMs: 1 });
    expect(text.update(record, 200, 'final')).toBe(true);
    record.client = 'other';
    expect(text.update(record, 200, 'final')).toBe(false);
    expect(text.update(record, 200, 'partial')).toBe(false);
    expect(text.update(record, 200, 'partial')).toBe(true);
  });
});
