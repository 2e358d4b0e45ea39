import { directive, Simulator } from './simulator.js';

let simulator: Simulator;
beforeEach(async () => {
  simulator = await Simulator.start();
});
afterEach(() => simulator.close());

interface Shown {
  id: string;
  status: string;
  usage: { output_tokens: number } | null;
  error?: { message: string; param: string | null };
}

async function send(method: string, path: string, body?: object): Promise<{ status: number; json: Shown }> {
  const init = body ? { method, body: JSON.stringify({ model: 'gpt-5.5', ...body }) } : { method };
  const answer = await fetch(`${simulator.baseUrl}/responses${path}`, init);
  return { status: answer.status, json: (await answer.json()) as Shown };
}
const held = directive({ hold_after_events: 3 });
const billed = () => simulator.ledger.entries.map(({ outcome }) => outcome);

async function events(path: string, body?: object): Promise<{ type: string; sequence_number: number }[]> {
  const init = body ? { method: 'POST', body: JSON.stringify({ model: 'gpt-5.5', stream: true, ...body }) } : {};
  const text = await (await fetch(`${simulator.baseUrl}/responses${path}`, init)).text();
  return text
    .split('\n')
    .filter((line) => line.startsWith('data: '))
    .map((line) => JSON.parse(line.slice('data: '.length)) as { type: string; sequence_number: number });
}

describe('a background response', () => {
  it('is shown in progress, and billed at its end', async () => {
    const { json } = await send('POST', '', { input: held, background: true });
    expect((await send('GET', `/${json.id}`)).json).toMatchObject({ status: 'in_progress', usage: null });
    expect(billed()).toEqual([]);
    simulator.release();
    const ended = (await send('GET', `/${json.id}`)).json;
    expect(ended).toMatchObject({ status: 'completed', usage: { output_tokens: expect.any(Number) } });
    expect(billed()).toEqual(['completed']);
    expect((await send('POST', `/${json.id}/cancel`)).json).toEqual(ended);
  });

  it('is cancelled while it runs, and stays so unbilled', async () => {
    const { json } = await send('POST', '', { input: held, background: true });
    expect((await send('POST', `/${json.id}/cancel`)).json).toMatchObject({ status: 'cancelled', usage: null });
    simulator.release();
    expect((await send('GET', `/${json.id}`)).json.status).toBe('cancelled');
    expect(billed()).toEqual([]);
  });

  it('stays deleted when it ends later', async () => {
    const { json } = await send('POST', '', { input: held, background: true });
    await send('DELETE', `/${json.id}`);
    simulator.release();
    expect((await send('GET', `/${json.id}`)).status).toBe(404);
    expect(billed()).toEqual(['completed']);
  });

  it('that is streamed replays its events behind a sequence number', async () => {
    const first = await events('', { input: 'hi', background: true });
    const id = simulator.exchanges[0]?.responseId ?? '';
    expect(await events(`/${id}?stream=true`)).toEqual(first);
    expect(await events(`/${id}?stream=true&starting_after=3`)).toEqual(first.slice(4));
    expect(await events(`/${id}?stream=true&starting_after=999`)).toEqual([]);
    expect((await send('GET', `/${id}?stream=true&starting_after=x`)).json.error?.param).toBe('starting_after');
  });

  it('goes on when its reader leaves, and a replay shows what is still to come', async () => {
    const leaving = new AbortController();
    const body = JSON.stringify({ model: 'gpt-5.5', stream: true, background: true, input: held });
    const first = await fetch(`${simulator.baseUrl}/responses`, { method: 'POST', body, signal: leaving.signal });
    await simulator.exchanges[0]?.sent(3);
    leaving.abort();
    await simulator.exchanges[0]?.closed;
    const id = simulator.exchanges[0]?.responseId ?? '';
    const next = simulator.nextExchange();
    const replay = events(`/${id}?stream=true`);
    await (await next).sent(3);
    simulator.release();
    expect((await replay).at(-1)?.type).toBe('response.completed');
    expect(billed()).toEqual(['completed']);
    expect(first.status).toBe(200);
  });

  it('is no stream to replay when it was made without one, nor in the foreground', async () => {
    for (const background of [true, false]) {
      const { json } = await send('POST', '', { input: 'hi', background });
      expect((await send('GET', `/${json.id}?stream=true`)).json.error?.param).toBe('stream');
    }
  });
});

describe('an item reference', () => {
  it('is taken when the item is stored, with and without its type, and refused otherwise', async () => {
    const { json } = await send('POST', '', { input: 'hi' });
    const [item] = (json as unknown as { output: { id: string }[] }).output;
    const refer = (reference: object) => send('POST', '', { input: [reference, { role: 'user', content: 'more' }] });
    for (const type of [{ type: 'item_reference' }, { type: null }, {}]) {
      expect((await refer({ id: item?.id, ...type })).status).toBe(200);
      const refused = await refer({ id: json.id, ...type });
      expect(refused).toMatchObject({ status: 404, json: { error: { param: 'input' } } });
      expect(refused.json.error?.message).toBe(`Item with id '${json.id}' not found.`);
    }
  });
});
