import OpenAI6 from 'openai';
import OpenAI7 from 'openai-7';
import { directive, type Script, type Simulator } from '../../apps/simulator/src/simulator.js';
import { eventually } from '../support/eventually.js';
import type { TestGateway } from '../support/gateway.js';
import { type Scene, startScene } from '../support/scene.js';

let scene: Scene;
let gateway: TestGateway;
let simulator: Simulator;

beforeAll(async () => {
  scene = await startScene({ models: ['gpt-5*'] });
  ({ gateway, simulator } = scene);
  await gateway.admin.create('/models', { name: 'gpt-5.5', aliases: ['gpt-5-vendor/name'] });
});
afterAll(() => scene.stop());

const model = 'gpt-5.5';
const MAJORS: [string, typeof OpenAI6][] = [
  ['6', OpenAI6],
  // Of what is used here, both majors have the same types.
  ['7', OpenAI7 as unknown as typeof OpenAI6],
];
/** What the gateway answers when the simulator fails like this. */
const scripted = (script: Script) => ({ model, input: directive(script) });
const refusing = (status: number, more: object = {}) => scripted({ fault: { kind: 'status', status, ...more } });

describe.each(MAJORS)('the openai SDK, major %s', (major, OpenAI) => {
  let client: OpenAI6;
  beforeAll(() => {
    client = new OpenAI({ apiKey: scene.secret, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
  });

  describe('responses', () => {
    it('are created', async () => {
      const response = await client.responses.create(scripted({ text: 'good morning' }));
      expect(response.output_text).toBe('good morning');
      expect(response._request_id).toMatch(/^req_[0-9a-f]{32}$/);
      expect((await gateway.row(response._request_id ?? null)).response_id).toBe(response.id);
    });

    it('stream their events', async () => {
      const types: string[] = [];
      for await (const event of await client.responses.create({ model, input: 'hello', stream: true })) {
        types.push(event.type);
      }
      expect([types[0], types.at(-1)]).toEqual(['response.created', 'response.completed']);
    });

    it.each<Script>([
      { text: 'put together' },
      { text: 'put together', reasoning: true, keepalive: true, comments: true },
      { text: 'put together', chunking: 1, line_ending: 'crlf', done_marker: true },
      { text: 'put together', chunking: 'burst', final_blank_line: false },
    ])('are put together by the stream helper from %j', async (script) => {
      const stream = client.responses.stream(scripted(script));
      const deltas: string[] = [];
      stream.on('response.output_text.delta', ({ delta }) => deltas.push(delta));
      const final = await stream.finalResponse();
      expect(final.output_text).toBe('put together');
      expect(deltas.join('')).toBe('put together');
      expect(final.usage?.total_tokens).toBe(simulator.ledger.entries.at(-1)?.totalTokens);
    });

    it('hold tool calls', async () => {
      const lookUp = { name: 'look_up', arguments: { city: 'Bern' } };
      const final = await client.responses.stream(scripted({ call: lookUp })).finalResponse();
      expect(final.output).toMatchObject([{ type: 'function_call', name: 'look_up', arguments: '{"city":"Bern"}' }]);
    });

    it('that break off end by response.failed, not silently', async () => {
      const input = directive({ fault: { kind: 'break_off', after_events: 5, partial_bytes: 30 } });
      const events = [];
      for await (const event of await client.responses.create({ model, input, stream: true })) events.push(event);
      expect(events.at(-1)).toMatchObject({ type: 'response.failed', response: { status: 'failed' } });
      const final = await client.responses.stream({ model, input }).finalResponse();
      expect(final).toMatchObject({ status: 'failed', error: { message: expect.stringMatching(/\w/) } });
    });

    it('that are aborted let go of the upstream', async () => {
      const next = simulator.nextExchange();
      const stream = await client.responses.create({ ...scripted({ hold_after_events: 6 }), stream: true });
      for await (const event of stream) if (event.type === 'response.output_text.delta') stream.controller.abort();
      await (
        await next
      ).closed;
      expect((await next).closedBy).toBe('client');

      const controller = new AbortController();
      const following = simulator.nextExchange();
      const body = scripted({ fault: { kind: 'no_headers' } });
      const answer = client.responses.create(body, { signal: controller.signal });
      await following;
      controller.abort();
      await expect(answer).rejects.toThrow(OpenAI.APIUserAbortError);
      await (
        await following
      ).closed;
    });

    it('go on from a stored one', async () => {
      const first = await client.responses.create({ model, input: 'hello' });
      const second = await client.responses.create({ model, input: 'and now?', previous_response_id: first.id });
      expect(second.previous_response_id).toBe(first.id);
      const unknown = client.responses.create({ model, input: 'x', previous_response_id: 'resp_unknown' });
      await expect(unknown).rejects.toMatchObject({ status: 400, code: 'previous_response_not_found' });
    });
  });

  describe('stored responses', () => {
    it('are retrieved, list their input, and are deleted', async () => {
      const made = await client.responses.create({ model, input: 'hello', store: true });
      const { _request_id: __, ...wire } = made;
      expect(await client.responses.retrieve(made.id)).toMatchObject({ id: wire.id, output: wire.output });
      const items = [];
      for await (const item of client.responses.inputItems.list(made.id, { order: 'asc' })) items.push(item);
      expect(items).toMatchObject([
        { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hello' }] },
      ]);
      await client.responses.delete(made.id);
      await expect(client.responses.retrieve(made.id)).rejects.toThrow(OpenAI.NotFoundError);
      await expect(client.responses.inputItems.list(made.id)).rejects.toThrow(OpenAI.NotFoundError);
      await expect(client.responses.delete(made.id)).rejects.toThrow(OpenAI.NotFoundError);
    });

    it('that run in the background are cancelled', async () => {
      const made = await client.responses.create({ ...scripted({ hold_after_events: 1 }), background: true });
      expect(['queued', 'in_progress']).toContain(made.status);
      expect(await client.responses.cancel(made.id)).toMatchObject({ id: made.id, status: 'cancelled' });
      simulator.release();
      expect((await client.responses.retrieve(made.id)).status).toBe('cancelled');
      const other = await client.responses.create({ model, input: 'hello' });
      await expect(client.responses.cancel(other.id)).rejects.toThrow(OpenAI.BadRequestError);
    });

    it('that streamed in the background are replayed behind a sequence number', async () => {
      const body = { ...scripted({ text: 'once more' }), background: true, stream: true } as const;
      const events = [];
      for await (const event of await client.responses.create(body)) events.push(event);
      const id = (events[0] as { response: { id: string } }).response.id;
      const replayed = [];
      for await (const event of await client.responses.retrieve(id, { stream: true, starting_after: 3 })) {
        replayed.push(event);
      }
      expect(replayed).toEqual(events.slice(4));
      const helper = client.responses.stream({ response_id: id, starting_after: 3 });
      const seen: number[] = [];
      for await (const event of helper) seen.push(event.sequence_number);
      expect(seen).toEqual(events.slice(4).map((event) => event.sequence_number));
      expect((await helper.finalResponse()).output_text).toBe('once more');
    });

    it('of others are unknown, as those that never were', async () => {
      const { secret } = await gateway.admin.issueKey();
      const stranger = new OpenAI({ apiKey: secret, baseURL: gateway.url, maxRetries: 0 });
      const { id } = await client.responses.create({ model, input: 'hello' });
      const answers = await Promise.allSettled([
        stranger.responses.retrieve(id),
        stranger.responses.retrieve(`${id.slice(0, -4)}0000`),
        stranger.responses.cancel(id),
        stranger.responses.delete(id),
      ]);
      for (const answer of answers) {
        expect(answer).toMatchObject({ status: 'rejected', reason: { status: 404, type: 'invalid_request_error' } });
      }
    });
  });

  it('counts input tokens', async () => {
    const counted = await client.responses.inputTokens.count({ model, input: 'how many tokens are these?' });
    expect(counted.object).toBe('response.input_tokens');
    const made = await client.responses.create({ model, input: 'how many tokens are these?' });
    expect(counted.input_tokens).toBe(made.usage?.input_tokens);
  });

  it('lists and retrieves models', async () => {
    const ids = (await client.models.list()).data.map(({ id }) => id);
    expect(ids).toEqual(['gpt-5-vendor/name', 'gpt-5.5']);
    expect(await client.models.retrieve('gpt-5.5')).toMatchObject({ id: 'gpt-5.5', object: 'model' });
    expect(await client.models.retrieve('gpt-5-vendor/name')).toMatchObject({ id: 'gpt-5-vendor/name' });
    await expect(client.models.retrieve('gpt-4')).rejects.toThrow(OpenAI.PermissionDeniedError);
  });

  describe('errors', () => {
    const classes = {
      400: OpenAI.BadRequestError,
      404: OpenAI.NotFoundError,
      409: OpenAI.ConflictError,
      422: OpenAI.UnprocessableEntityError,
      429: OpenAI.RateLimitError,
      500: OpenAI.InternalServerError,
      503: OpenAI.InternalServerError,
    };

    it.each(Object.entries(classes).map(([status, errorClass]) => [Number(status), errorClass] as const))(
      'of an upstream with %i have their class',
      async (status, errorClass) => {
        await expect(client.responses.create(refusing(status))).rejects.toThrow(errorClass);
        const stream = client.responses.create({ ...refusing(status), stream: true });
        await expect(stream).rejects.toThrow(errorClass);
      },
    );

    it('of the gateway have their class, our words and our request id', async () => {
      const stranger = new OpenAI({ apiKey: 'sk-tg-none', baseURL: gateway.url, maxRetries: 0 });
      await expect(stranger.responses.create({ model, input: 'x' })).rejects.toThrow(OpenAI.AuthenticationError);
      await expect(client.responses.create({ input: 'x' })).rejects.toThrow(OpenAI.BadRequestError);
      await expect(client.post('/responses/resp_1/nothing')).rejects.toThrow(OpenAI.NotFoundError);
      const forbidden = client.responses.create({ model: 'gpt-4', input: 'x' });
      await expect(forbidden).rejects.toThrow(OpenAI.PermissionDeniedError);
      await expect(forbidden).rejects.toMatchObject({
        code: 'model_not_found',
        param: 'model',
        requestID: expect.stringMatching(/^req_/),
        message: expect.stringContaining("The model 'gpt-4' is not available"),
      });
    });
  });

  describe('retries', () => {
    /** A client with the SDK's own habits, and how many requests of it have arrived. */
    async function patientClient() {
      const { secret, key } = await gateway.admin.issueKey();
      const patient = new OpenAI({ apiKey: secret, baseURL: gateway.url });
      const arrived = async () => {
        const { body } = await gateway.admin.get(`/requests?key=${key.id}`);
        return (body as { data: { status: number }[] }).data.map(({ status }) => status).toReversed();
      };
      return { patient, expectArrived: (statuses: number[]) => eventuallyEqual(arrived, statuses) };
    }

    async function eventuallyEqual(ask: () => Promise<number[]>, expected: number[]): Promise<void> {
      const statuses = await eventually(`${expected.length} rows`, async () => {
        const found = await ask();
        return found.length >= expected.length ? found : undefined;
      });
      expect(statuses).toEqual(expected);
    }

    it('come after what may go away: a 502, twice', async () => {
      const { patient, expectArrived } = await patientClient();
      await expect(patient.responses.create(refusing(500))).rejects.toThrow(OpenAI.InternalServerError);
      await expectArrived([502, 502, 502]);
    });

    it('come when the gateway says so, and then succeed', async () => {
      const { patient, expectArrived } = await patientClient();
      // Its own directive for each major: the simulator counts the uses.
      const limited = refusing(429, { headers: { 'retry-after': '1' }, times: 1, message: `Slow down, ${major}` });
      const startedAtMs = performance.now();
      const response = await patient.responses.create(limited);
      expect(response.status).toBe('completed');
      const waitedMs = performance.now() - startedAtMs;
      expect(waitedMs).toBeGreaterThanOrEqual(990);
      expect(waitedMs).toBeLessThan(3_000);
      await expectArrived([429, 200]);
    });

    it('do not come after what stays wrong', async () => {
      const { patient, expectArrived } = await patientClient();
      await expect(patient.responses.create(refusing(400))).rejects.toThrow(OpenAI.BadRequestError);
      await expect(patient.responses.create({ input: 'x' })).rejects.toThrow(OpenAI.BadRequestError);
      await expect(patient.responses.retrieve('resp_unknown')).rejects.toThrow(OpenAI.NotFoundError);
      await expectArrived([400, 400, 404]);
    });

    it('do not come for a stream that has begun', async () => {
      const { patient, expectArrived } = await patientClient();
      const input = directive({ fault: { kind: 'break_off', after_events: 6 } });
      const types: string[] = [];
      for await (const { type } of await patient.responses.create({ model, input, stream: true })) types.push(type);
      expect(types.at(-1)).toBe('response.failed');
      await expectArrived([200]);
    });
  });
});
