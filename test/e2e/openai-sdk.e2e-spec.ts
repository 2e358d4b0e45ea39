import OpenAI, { AuthenticationError, BadRequestError, PermissionDeniedError, RateLimitError } from 'openai';
import { directive } from '../../apps/simulator/src/simulator.js';
import type { TestGateway } from '../support/gateway.js';
import { type Scene, startScene } from '../support/scene.js';

let scene: Scene;
let gateway: TestGateway;
let client: OpenAI;

beforeAll(async () => {
  scene = await startScene({ models: ['gpt-5*'] });
  ({ gateway } = scene);
  client = new OpenAI({ apiKey: scene.secret, baseURL: `${gateway.url}/v1`, maxRetries: 0 });
});
afterAll(() => scene.stop());

const model = 'gpt-5.5';

describe('the openai SDK', () => {
  it('creates a response', async () => {
    const response = await client.responses.create({ model, input: directive({ text: 'good morning' }) });
    expect(response.output_text).toBe('good morning');
    expect(response._request_id).toMatch(/^req_[0-9a-f]{32}$/);
    expect((await gateway.row(response._request_id ?? null)).response_id).toBe(response.id);
  });

  it('streams events, and its stream helper puts them together', async () => {
    const types: string[] = [];
    for await (const event of await client.responses.create({ model, input: 'hello', stream: true }))
      types.push(event.type);
    expect([types[0], types.at(-1)]).toEqual(['response.created', 'response.completed']);
    const final = await client.responses.stream({ model, input: directive({ text: 'put together' }) }).finalResponse();
    expect(final.output_text).toBe('put together');
  });

  it('sees an upstream that breaks off as response.failed, not as the end', async () => {
    const input = directive({ fault: { kind: 'break_off', after_events: 5, partial_bytes: 30 } });
    const events = [];
    for await (const event of await client.responses.create({ model, input, stream: true })) events.push(event);
    expect(events.at(-1)).toMatchObject({ type: 'response.failed', response: { error: { code: 'server_error' } } });
  });

  it('gets its own class for each error, with our message and request id', async () => {
    const stranger = new OpenAI({ apiKey: 'sk-tg-none', baseURL: gateway.url, maxRetries: 0 });
    await expect(stranger.responses.create({ model, input: 'x' })).rejects.toThrow(AuthenticationError);
    await expect(client.responses.create({ model: 'gpt-4', input: 'x' })).rejects.toThrow(PermissionDeniedError);
    await expect(client.responses.create({ input: 'x' })).rejects.toThrow(BadRequestError);
    const limited = directive({ fault: { kind: 'status', status: 429 } });
    await expect(client.responses.create({ model, input: limited })).rejects.toThrow(RateLimitError);
    await expect(client.responses.create({ model: 'gpt-4', input: 'x' })).rejects.toMatchObject({
      code: 'model_not_found',
      param: 'model',
      requestID: expect.stringMatching(/^req_/),
      message: expect.stringContaining("The model 'gpt-4' is not available"),
    });
  });

  it('lists and retrieves models', async () => {
    await gateway.admin.create('/models', { name: 'gpt-5.5', aliases: ['gpt-5-vendor/name'] });
    const ids = (await client.models.list()).data.map(({ id }) => id);
    expect(ids).toEqual(['gpt-5-vendor/name', 'gpt-5.5']);
    expect(await client.models.retrieve('gpt-5.5')).toMatchObject({ id: 'gpt-5.5', object: 'model' });
    expect(await client.models.retrieve('gpt-5-vendor/name')).toMatchObject({ id: 'gpt-5-vendor/name' });
    await expect(client.models.retrieve('gpt-4')).rejects.toThrow(PermissionDeniedError);
  });
});
