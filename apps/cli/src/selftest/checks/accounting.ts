import type { Request } from '@app/contract';
import type { Bench } from '../bench.js';
import type { Check } from '../check.js';
import { CheckFailed, expectSame, expectThat } from '../expectations.js';
import { CodexSession } from '../codex-session.js';
import { PRICES } from '../temporary-objects.js';
import { readTurn } from '../transcript.js';

const NANO = 1e9;
const PRICED_TOKENS = 1e6;

const usage: Check = {
  name: 'usage',
  promise: 'tokens and cost in the row are what the provider told, each token charged once',
  run: async (bench) => {
    const { answer } = await new CodexSession(bench).stream(readTurn('usage'));
    const row = await bench.row(answer.requestId);
    const { input_tokens: input, cached_tokens: cached, cache_write_tokens: written } = row;
    const { output_tokens: output, reasoning_tokens: reasoning } = row;
    const bill = bench.bills.find(({ responseId }) => responseId === row.response_id);
    if (!bill) throw new CheckFailed(`the provider knows no response ${row.response_id}`);
    expectSame(
      'input, cached, cache write, output and reasoning tokens',
      [input, cached, written, output, reasoning],
      [bill.inputTokens, bill.cachedTokens, bill.cacheWriteTokens, bill.outputTokens, bill.reasoningTokens],
    );
    expectSame('usage_source', row.usage_source, 'terminal_event');
    const cost =
      ((bill.inputTokens - bill.cachedTokens - bill.cacheWriteTokens) * Number(PRICES.input_per_million_usd) +
        bill.cachedTokens * Number(PRICES.cached_input_per_million_usd) +
        bill.cacheWriteTokens * Number(PRICES.cache_write_per_million_usd) +
        (bill.outputTokens - bill.reasoningTokens) * Number(PRICES.output_per_million_usd) +
        bill.reasoningTokens * Number(PRICES.reasoning_per_million_usd)) /
        PRICED_TOKENS +
      Number(PRICES.per_request_usd);
    expectSame('the cost in nano-dollars', Math.round(Number(row.cost_usd) * NANO), Math.round(cost * NANO));
    return `${bill.totalTokens} tokens, $ ${row.cost_usd}`;
  },
};

/** Runs behind all others, as it counts what they have sent. */
const rowParity: Check = {
  name: 'row-parity',
  promise: 'every request of this run has one row, every call that a provider got is in one, and no row is a stranger',
  run: async (bench) => {
    await new CodexSession(bench).stream(readTurn('plain-turn'));
    const { sent } = bench.client;
    const rows = await Promise.all(sent.map(({ requestId }) => bench.row(requestId)));
    const known = new Set(rows.map(({ id }) => id));
    expectSame('the number of different ids', known.size, sent.length);
    const told = sent.map(({ status }) => status);
    const logged = rows.map(({ status, outcome }, index) => (outcome === 'client_left' ? told[index] : status));
    expectSame('the statuses in the rows', logged, told);

    const ofGroups = await rowsOf(bench);
    const strangers = ofGroups.filter(({ id }) => !known.has(id));
    expectThat(
      strangers.length === 0,
      `rows of requests that nobody sent: ${strangers.map(({ id }) => id).join(', ')}`,
    );
    const attempts = rows.reduce((sum, row) => sum + row.attempts, 0);
    expectSame('the number of calls in the rows', attempts, bench.exchanges.length);
    await expectBilled(bench, rows);
    return `${sent.length} requests, ${rows.length} rows, ${attempts} calls of providers`;
  },
};

/** What providers have billed to its end is in the rows, with the same tokens. */
async function expectBilled(bench: Bench, rows: readonly Request[]): Promise<void> {
  const byResponse = new Map(rows.filter(({ kind }) => MAKES_RESPONSE.has(kind)).map((row) => [row.response_id, row]));
  for (const bill of bench.bills.filter(({ outcome }) => outcome === 'completed')) {
    const row = byResponse.get(bill.responseId);
    if (!row) throw new CheckFailed(`the provider has billed ${bill.responseId}, which is in no row`);
    expectSame(`the tokens in ${row.id}`, [row.input_tokens, row.output_tokens], [bill.inputTokens, bill.outputTokens]);
  }
}

const MAKES_RESPONSE = new Set(['response', 'compaction']);
const PAGE_ROWS = 100;

/** All rows of the groups that were made for this run. */
async function rowsOf({ admin, groupIds }: Bench): Promise<Request[]> {
  const rows: Request[] = [];
  for (const group of groupIds) {
    let cursor = '';
    do {
      const query = `group=${group}&limit=${PAGE_ROWS}${cursor}`;
      const page = await admin.get<{ data: Request[]; next_cursor: string | null }>(`/requests?${query}`);
      rows.push(...page.data);
      cursor = page.next_cursor === null ? '' : `&cursor=${encodeURIComponent(page.next_cursor)}`;
    } while (cursor !== '');
  }
  return rows;
}

/** What the log promises. */
export const ACCOUNTING_CHECKS: readonly Check[] = [usage];
/** What can be said once all others have run. */
export const LAST_CHECKS: readonly Check[] = [rowParity];
