import OpenAI from 'openai';
import { directive, Simulator } from './simulator.js';

let simulator: Simulator;
let client: OpenAI;

beforeAll(async () => {
  simulator = await Simulator.start();
  client = new OpenAI({ apiKey: 'sk-any', baseURL: simulator.baseUrl, maxRetries: 0 });
});
afterAll(() => simulator.close());

describe('the openai SDK', () => {
  it.each([
    {},
    { reasoning: true },
    { keepalive: true, comments: true, done_marker: true, chunking: 1, text: 'a b' },
    { chunking: 'burst' as const, line_ending: 'crlf' as const, reasoning: true },
    { call: { name: 'f', arguments: { a: [1, 2] } }, reasoning: true },
    { call: { name: 'apply_patch', input: '*** Begin Patch\n*** End Patch' } },
  ])('accepts the stream of %j by its stream() helper', async (script) => {
    const stream = client.responses.stream({ model: 'gpt-5.5', input: `Hi ${directive(script)}` });
    const response = await stream.finalResponse();
    expect(response.status).toBe('completed');
    expect(response.id).toMatch(/^resp_[0-9a-f]{50}$/);
    expect(response.usage?.total_tokens).toBe(simulator.ledger.entries.at(-1)?.totalTokens);
  });

  it('reads the default answer, which quotes the user without the directive', async () => {
    const response = await client.responses.create({ model: 'gpt-5.5', input: `Hello there ${directive({})}` });
    expect(response.output_text).toContain('You said: "Hello there".');
    expect(response.model).toBe('gpt-5.5');
  });

  it('throws its own error classes', async () => {
    const input = directive({ fault: { kind: 'status', status: 401 } });
    await expect(client.responses.create({ model: 'gpt-5.5', input })).rejects.toMatchObject({
      status: 401,
      code: 'invalid_api_key',
      requestID: expect.stringMatching(/^req_/),
    });
  });

  it('retrieves, lists the input of, and deletes a stored response', async () => {
    const created = await client.responses.create({ model: 'gpt-5.5', input: 'Remember me' });
    expect(await client.responses.retrieve(created.id)).toMatchObject({ id: created.id, output: created.output });
    const page = await client.responses.inputItems.list(created.id);
    expect(page.data).toMatchObject([{ role: 'user', content: [{ type: 'input_text', text: 'Remember me' }] }]);
    await expect(client.responses.cancel(created.id)).rejects.toThrow('Cannot cancel a synchronous response.');
    await client.responses.delete(created.id);
    await expect(client.responses.retrieve(created.id)).rejects.toThrow(`Response with id '${created.id}' not found.`);
  });

  it('stores a streamed response as its terminal event says', async () => {
    const response = await client.responses.stream({ model: 'gpt-5.5', input: 'Hi' }).finalResponse();
    const stored = await client.responses.retrieve(response.id);
    expect(stored).toMatchObject({ status: 'completed', usage: response.usage });
    expect(stored.output_text).toBe(response.output_text);
  });

  it('continues only responses that are stored', async () => {
    const first = await client.responses.create({ model: 'gpt-5.5', input: 'Hi' });
    const request = { model: 'gpt-5.5', input: 'And?' };
    const second = await client.responses.create({ ...request, previous_response_id: first.id });
    expect(second.previous_response_id).toBe(first.id);
    const unstored = await client.responses.create({ ...request, store: false });
    await expect(client.responses.create({ ...request, previous_response_id: unstored.id })).rejects.toMatchObject({
      status: 400,
      code: 'previous_response_not_found',
    });
  });

  it('polls a background response to its end', async () => {
    const queued = await client.responses.create({ model: 'gpt-5.5', input: 'Later', background: true });
    expect(queued).toMatchObject({ status: 'queued', output: [] });
    const ended = await client.responses.cancel(queued.id);
    expect(ended.status).toBe('completed');
  });

  it('counts input tokens without being billed, as a response would be', async () => {
    const request = { model: 'gpt-5.5', input: 'x'.repeat(398) };
    const billed = simulator.ledger.totals.overall.responses;
    const counted = await client.responses.inputTokens.count(request);
    expect(counted).toMatchObject({ object: 'response.input_tokens', input_tokens: 100 });
    expect(simulator.ledger.totals.overall.responses).toBe(billed);
    expect((await client.responses.create(request)).usage?.input_tokens).toBe(100);
  });

  it('compacts to the user messages and one compaction item, and is billed for it', async () => {
    const compacted = await client.responses.compact({
      model: 'gpt-5.5',
      input: [
        { role: 'user', content: 'First' },
        { role: 'assistant', content: 'Answer' },
        { role: 'user', content: 'Second' },
      ],
    });
    expect(compacted.object).toBe('response.compaction');
    expect(compacted.output).toMatchObject([
      { role: 'user', content: [{ text: 'First' }] },
      { role: 'user', content: [{ text: 'Second' }] },
      { type: 'compaction', encrypted_content: expect.any(String) },
    ]);
    expect(simulator.ledger.entries.at(-1)).toMatchObject({
      responseId: compacted.id,
      totalTokens: compacted.usage.total_tokens,
    });
  });

  it('lists and retrieves models', async () => {
    const { data } = await client.models.list();
    expect(data.length).toBeGreaterThan(0);
    expect(await client.models.retrieve('meta/llama')).toMatchObject({ id: 'meta/llama', object: 'model' });
  });
});
