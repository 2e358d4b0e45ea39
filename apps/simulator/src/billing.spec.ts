import { directive, type Fault, type Script, Simulator } from './simulator.js';

interface WireUsage {
  input_tokens: number;
  output_tokens: number;
  total_tokens: number;
  output_tokens_details: { reasoning_tokens: number };
}

let simulator: Simulator;

beforeEach(async () => {
  simulator = await Simulator.start();
});
afterEach(() => simulator.close());

function post(script: Script, more: object = {}, signal?: AbortSignal): Promise<Response> {
  const body = JSON.stringify({ model: 'gpt-5.5', input: directive(script), ...more });
  return fetch(`${simulator.baseUrl}/responses`, { method: 'POST', body, ...(signal ? { signal } : {}) });
}

async function streamedUsage(response: Response): Promise<WireUsage | null> {
  const last = (await response.text()).trimEnd().split('\ndata: ').at(-1) ?? '';
  return (JSON.parse(last) as { response: { usage: WireUsage | null } }).response.usage;
}

describe('what a response is billed', () => {
  it.each([true, false])('is what its terminal usage says (stream: %s)', async (stream) => {
    const response = await post({ deltas: 33, reasoning: true }, { stream });
    const usage = stream ? await streamedUsage(response) : ((await response.json()) as { usage: WireUsage }).usage;
    const reasoningTokens = usage?.output_tokens_details.reasoning_tokens ?? 0;
    expect(reasoningTokens).toBeGreaterThan(0);
    expect(usage?.output_tokens).toBe(33 + reasoningTokens);
    expect(usage?.total_tokens).toBe((usage?.input_tokens ?? 0) + 33 + reasoningTokens);
    expect(simulator.ledger.entries).toEqual([
      expect.objectContaining({
        outcome: 'completed',
        inputTokens: usage?.input_tokens,
        outputTokens: usage?.output_tokens,
        reasoningTokens,
        totalTokens: usage?.total_tokens,
      }),
    ]);
  });

  it('counts argument deltas as output', async () => {
    await (await post({ call: { name: 'f', arguments: 'a b c d' } }, { stream: true })).text();
    expect(simulator.ledger.totals.overall.outputTokens).toBe(4);
  });

  it('is the same streamed and as JSON', async () => {
    const script = { text: 'one two three', reasoning: true };
    await (await post(script, { stream: true })).text();
    await (await post(script)).text();
    const [streamed, json] = simulator.ledger.entries;
    expect({ ...streamed, responseId: '' }).toEqual({ ...json, responseId: '' });
  });

  it('is a scripted usage as shown, and the exact one when the usage is hidden', async () => {
    const usage = { input_tokens: 1000, output_tokens: 50, total_tokens: 1050 };
    await (await post({ usage }, { stream: true })).text();
    await (await post({ usage: null, deltas: 5 }, { stream: true })).text();
    const omitted = await (await post({ usage: 'omit', deltas: 6 }, { stream: true })).text();
    expect(omitted.split('response.completed').at(-1)).not.toContain('"usage"');
    expect(simulator.ledger.entries).toMatchObject([
      { inputTokens: 1000, outputTokens: 50, totalTokens: 1050, cachedTokens: 0 },
      { outputTokens: 5 },
      { outputTokens: 6 },
    ]);
  });

  it('is incomplete for an incomplete response', async () => {
    await (await post({ deltas: 4, fault: { kind: 'incomplete' } }, { stream: true })).text();
    expect(simulator.ledger.entries).toMatchObject([{ outcome: 'incomplete', outputTokens: 4 }]);
  });

  it('is nothing for a failure without a usage, and the usage for one that shows it', async () => {
    const fault = { kind: 'failed' } as const;
    expect(await streamedUsage(await post({ fault }, { stream: true }))).toBeNull();
    expect(simulator.ledger.entries).toEqual([]);
    await (
      await post({ fault, usage: { input_tokens: 9, output_tokens: 1, total_tokens: 10 } }, { stream: true })
    ).text();
    expect(simulator.ledger.entries).toMatchObject([{ outcome: 'failed', totalTokens: 10 }]);
  });

  it('is what was generated so far when the client leaves', async () => {
    const leaving = new AbortController();
    const next = simulator.nextExchange();
    const response = await post({ deltas: 50, hold_after_events: 4 + 7 }, { stream: true }, leaving.signal);
    const exchange = await next;
    await exchange.sent(11);
    leaving.abort();
    await expect(response.text()).rejects.toThrow('aborted');
    await exchange.closed;
    expect(exchange.closedBy).toBe('client');
    expect(simulator.ledger.entries).toMatchObject([
      { responseId: exchange.responseId, outcome: 'aborted', outputTokens: 7 },
    ]);
  });

  it('is what was generated so far when the upstream breaks off', async () => {
    const response = await post({ deltas: 50, fault: { kind: 'break_off', after_events: 4 + 3 } }, { stream: true });
    await expect(response.text()).rejects.toThrow('terminated');
    expect(simulator.ledger.entries).toMatchObject([{ outcome: 'broke_off', outputTokens: 3 }]);
  });

  it('is complete when the client leaves after the terminal event', async () => {
    const leaving = new AbortController();
    const next = simulator.nextExchange();
    const response = await post({ text: 'a', hold_after_events: 1000 }, { stream: true }, leaving.signal);
    const exchange = await next;
    await exchange.sent(9);
    leaving.abort();
    await expect(response.text()).rejects.toThrow('aborted');
    await exchange.closed;
    expect(exchange.closedBy).toBe('client');
    expect(simulator.ledger.entries).toMatchObject([{ outcome: 'completed', outputTokens: 1 }]);
  });

  it.each<Fault>([
    { kind: 'status', status: 429 },
    { kind: 'html' },
    { kind: 'reset_before_headers' },
    { kind: 'reset_after_headers' },
    { kind: 'clean_eof', after_events: 0 },
  ])('is nothing when no event was sent: %j', async (fault) => {
    await post({ fault }, { stream: true })
      .then((response) => response.text())
      .catch(() => undefined);
    expect(simulator.ledger.entries).toEqual([]);
  });

  it('takes the prompt cache into account', async () => {
    const request = { prompt_cache_key: 'thread', instructions: 'x'.repeat(1000), store: false };
    await (await post({ text: 'a' }, request)).text();
    await (await post({ text: 'a' }, request)).text();
    const [first, second] = simulator.ledger.entries;
    expect(first).toMatchObject({ cachedTokens: 0, cacheWriteTokens: first?.inputTokens });
    const whole = Math.floor((second?.inputTokens ?? 0) / 64) * 64;
    expect(second).toMatchObject({ cachedTokens: whole, cacheWriteTokens: 0 });
  });

  it('is shown, and reset, over HTTP', async () => {
    await (await post({ deltas: 5 }, { stream: true })).text();
    const ledgerUrl = `${simulator.url}/simulator/ledger`;
    const shown = (await (await fetch(ledgerUrl)).json()) as object;
    expect(shown).toMatchObject({
      entries: [{ model: 'gpt-5.5', outcome: 'completed', output_tokens: 5 }],
      totals: { overall: { responses: 1, output_tokens: 5 }, by_model: { 'gpt-5.5': { output_tokens: 5 } } },
    });
    expect(await (await fetch(ledgerUrl, { method: 'DELETE' })).json()).toMatchObject({ entries: [] });
    expect(simulator.ledger.totals.overall.responses).toBe(0);
  });
});
