import type { Explanation } from '../../libs/contract/src/index.js';
import { call, callBody } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
});
afterAll(() => scene.stop());

const explain = async (body: object): Promise<Explanation> =>
  (await scene.gateway.admin.post('/explain', body)).body as Explanation;

describe('POST /admin/v1/explain', () => {
  it('tells of a call that would be served, check by check, and by whom', async () => {
    const { key, group, secret: _ } = await scene.gateway.admin.issueKey({ models: ['gpt-5*'] });
    const told = await explain({ key_id: key.id, model: 'gpt-5.5', headers: { 'Session-Id': 's1' } });
    expect(told).toMatchObject({ decision: 'served', rule: null, status: 200, code: null, canonical_model: 'gpt-5.5' });
    expect(told.checks.map(({ rule, passed }) => [rule, passed])).toEqual([
      ['key', true],
      ['group.models', true],
      ['group.unpriced_models', true],
      ['upstreams', true],
    ]);
    expect(told.candidates).toMatchObject([{ standing: 'available', upstream_model: 'gpt-5.5' }]);
    expect(await explain({ group_id: group.id, model: 'gpt-5.5' })).toMatchObject({ decision: 'served' });
  });

  it('says the same as the data plane, whose refusal names the rule and whose row keeps the explanation', async () => {
    const { key, secret } = await scene.gateway.admin.issueKey({ models: ['other-*'] });
    const told = await explain({ key_id: key.id, model: 'gpt-5.5' });
    expect(told).toMatchObject({ decision: 'refused', rule: 'group.models', status: 403, code: 'model_not_found' });
    const answer = await call(scene.gateway.url, callBody('hello'), { secret });
    expect(answer.status).toBe(403);
    expect(answer.error).toMatchObject({ code: 'model_not_found', rule: 'group.models' });
    expect((await scene.gateway.row(answer.requestId)).decision).toMatchObject({
      decision: 'refused',
      rule: 'group.models',
      checks: expect.arrayContaining([expect.objectContaining({ rule: 'group.models', passed: false })]),
    });
  });

  it('tells of a key that is revoked, and refuses a question that names nobody', async () => {
    const { key } = await scene.gateway.admin.issueKey();
    await scene.gateway.admin.post(`/keys/${key.id}/revoke`);
    expect(await explain({ key_id: key.id, model: 'gpt-5.5' })).toMatchObject({ rule: 'key', status: 401 });
    expect((await scene.gateway.admin.post('/explain', { model: 'gpt-5.5' })).status).toBe(422);
    const unknown = { key_id: 'key_01920000000070008000000000000000', model: 'gpt-5.5' };
    expect((await scene.gateway.admin.post('/explain', unknown)).status).toBe(404);
  });
});

describe('GET /v1/doctor', () => {
  it.each(['/v1/doctor', '/doctor'])('tells a developer at %s whether all is set up right', async (path) => {
    const answer = await call(scene.gateway.url, null, { secret: scene.secret, path, method: 'GET' });
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body.toString())).toMatchObject({
      key: { ok: true },
      request_encodings: ['zstd', 'gzip', 'br', 'deflate'],
      websocket: false,
      url: { used: scene.gateway.url + path, configure: `${scene.gateway.url}/v1` },
    });
    expect(await scene.gateway.row(answer.requestId)).toMatchObject({ kind: 'doctor', outcome: 'ok' });
  });

  it('is a 401 without a key', async () => {
    expect((await call(scene.gateway.url, null, { path: '/v1/doctor', method: 'GET' })).status).toBe(401);
  });
});
