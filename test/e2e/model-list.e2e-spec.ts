import type { TestGateway } from '../support/gateway.js';
import { call, type CallOptions } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';

let scene: Scene;
let gateway: TestGateway;

beforeAll(async () => {
  scene = await startScene({ models: ['gpt-5.5'] });
  ({ gateway } = scene);
});
afterAll(() => scene.stop());

const get = (path: string, options: CallOptions = {}) =>
  call(gateway.url, null, { method: 'GET', secret: scene.secret, path, ...options });

describe('GET /v1/models', () => {
  it.each(['/v1/models', '/models', '/v1/models?client_version=0.169.0', '/v1/models/'])(
    'answers what the SDKs read and what Codex reads: %s',
    async (path) => {
      const { status, body } = await get(path);
      expect(status).toBe(200);
      expect(JSON.parse(body.toString())).toEqual({
        object: 'list',
        data: [{ id: 'gpt-5.5', object: 'model', created: 0, owned_by: 'tollgate' }],
        models: [],
      });
    },
  );

  it('answers 304 to whom has just this list, and the list again when it has changed', async () => {
    for (const path of ['/v1/models', '/v1/models/gpt-5.5']) {
      const tag = String((await get(path)).headers.etag);
      expect(tag).toMatch(/^"[\w-]{22}"$/);
      for (const known of [tag, `W/${tag}`, `"other", ${tag}`, '*']) {
        const answer = await get(path, { headers: { 'if-none-match': known } });
        expect(answer).toMatchObject({ status: 304, body: Buffer.alloc(0), headers: { etag: tag } });
        expect(await gateway.row(answer.requestId)).toMatchObject({ kind: 'models', status: 304, outcome: 'ok' });
      }
      expect((await get(path, { headers: { 'if-none-match': '"other"' } })).status).toBe(200);
    }
    const { headers } = await get('/v1/models');
    await gateway.admin.patch(`/groups/${scene.issued.group.id}`, { models: ['gpt-5.5', 'gpt-6'] });
    const changed = await get('/v1/models', { headers: { 'if-none-match': String(headers.etag) } });
    expect(changed.status).toBe(200);
    expect(changed.headers.etag).not.toBe(headers.etag);
  });

  it('answers HEAD with the same head and no body, and 401 without a key', async () => {
    const { headers } = await get('/v1/models');
    const answer = await get('/v1/models', { method: 'HEAD' });
    expect(answer).toMatchObject({
      status: 200,
      body: Buffer.alloc(0),
      headers: { etag: headers.etag, 'content-length': headers['content-length'] },
    });
    expect((await call(gateway.url, null, { method: 'HEAD', path: '/v1/models' })).status).toBe(401);
  });
});
