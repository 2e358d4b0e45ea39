import type { IssuedWebhook, Webhook as ShownWebhook, WebhookDelivery } from '@app/contract';
import { Webhook } from 'standardwebhooks';
import { ADMIN_TOKEN, TestGateway } from '../support/gateway.js';
import { ScriptedUpstream, type UpstreamCall } from '../support/scripted-upstream.js';

let gateway: TestGateway;
let receiver: ScriptedUpstream;

beforeAll(async () => {
  [gateway, receiver] = await Promise.all([TestGateway.start(), ScriptedUpstream.start()]);
});
afterAll(async () => {
  await gateway.stop();
  await receiver.close();
});
beforeEach(() => answer(200));

const answer = (status: number, body = 'thanks') => {
  receiver.behave = (response) => response.writeHead(status, { location: '/elsewhere' }).end(body);
};
const make = (name: string, fields: object = {}) =>
  gateway.admin.create<IssuedWebhook>('/webhooks', { name, url: `${receiver.url}/hook?token=hush`, ...fields });
const verified = ({ request, body }: UpstreamCall, secret: string) =>
  new Webhook(secret).verify(body.toString(), request.headers as Record<string, string>) as {
    type: string;
    data: Record<string, unknown>;
  };
const test = async (id: string) => (await gateway.admin.post(`/webhooks/${id}/test`)).body as WebhookDelivery;

describe('a webhook', () => {
  it('gets what is signed as Standard Webhooks says, also with the old secret while both are in force', async () => {
    const { id, secret } = await make('signed');
    const called = receiver.nextCall();
    expect(await test(id)).toMatchObject({ state: 'delivered', attempts: 1, last_status: 200, last_answer: 'thanks' });
    const call = await called;
    expect(call.request.url).toBe('/hook?token=hush');
    expect(verified(call, secret)).toMatchObject({
      type: 'webhook.test',
      data: { object_type: 'webhook', object_id: id, severity: 'info', name: 'signed' },
    });
    expect(() => verified(call, `whsec_${Buffer.alloc(32).toString('base64')}`)).toThrow();

    const rotated = (await gateway.admin.post(`/webhooks/${id}/rotate`)).body as IssuedWebhook;
    expect(rotated.secret).not.toBe(secret);
    const [both] = await Promise.all([receiver.nextCall(), test(id)]);
    for (const either of [secret, rotated.secret]) expect(verified(both, either).type).toBe('webhook.test');
    const last = (await gateway.admin.post(`/webhooks/${id}/rotate`, { overlap_seconds: 0 })).body as IssuedWebhook;
    const [one] = await Promise.all([receiver.nextCall(), test(id)]);
    expect(verified(one, last.secret).type).toBe('webhook.test');
    expect(() => verified(one, rotated.secret)).toThrow();
  });

  it('is switched off by a 410, and told of redirects, which are not followed', async () => {
    const { id } = await make('moved');
    answer(302);
    expect(await test(id)).toMatchObject({ state: 'failed', last_status: 302, attempts: 1 });
    expect(receiver.calls.at(-1)?.request.url).toBe('/hook?token=hush');
    answer(410);
    expect(await test(id)).toMatchObject({ state: 'failed', last_status: 410 });
    expect((await gateway.admin.get(`/webhooks/${id}`)).body).toMatchObject({
      enabled: false,
      disabled_reason: 'gone',
    });
    expect((await gateway.admin.patch(`/webhooks/${id}`, { enabled: true })).body).toMatchObject({
      enabled: true,
      disabled_reason: null,
    });
    const { data } = (await gateway.admin.get(`/webhooks/${id}/deliveries?limit=1`)).body as { data: object[] };
    expect(data).toMatchObject([{ alert_type: 'webhook.test', last_status: 410 }]);
  });

  it('can be listed, changed and deleted; its secret is told once, and kept nowhere', async () => {
    const issued = await make('kept', { types: ['upstream.down'] });
    const shown = (await gateway.admin.get(`/webhooks/${issued.id}`)).body as ShownWebhook;
    expect(shown).toMatchObject({ types: ['upstream.down'], enabled: true });
    expect(shown).not.toHaveProperty('secret');
    const { data } = (await gateway.admin.get('/webhooks')).body as { data: ShownWebhook[] };
    expect(data[0]).toEqual(shown);
    expect((await gateway.admin.patch(`/webhooks/${issued.id}`, { types: [] })).body).toMatchObject({ types: [] });
    expect((await gateway.admin.delete(`/webhooks/${issued.id}`)).status).toBe(204);
    for (const path of ['', '/deliveries']) {
      expect((await gateway.admin.get(`/webhooks/${issued.id}${path}`)).status).toBe(404);
    }
    const audit = await gateway.database.query(`SELECT * FROM audit_entries WHERE object_type = 'webhook'`);
    expect(audit.map((entry) => (entry as { action: string }).action)).toEqual(
      expect.arrayContaining(['webhook.create', 'webhook.rotate', 'webhook.test', 'webhook.disable', 'webhook.delete']),
    );
    for (const secret of ['whsec_', 'hush', ADMIN_TOKEN]) expect(JSON.stringify(audit)).not.toContain(secret);
  });

  it.each([
    [{ url: 'http://169.254.169.254/latest' }, 'url'],
    [{ url: 'http://[::ffff:10.0.0.1]/' }, 'url'],
    [{ url: 'https://user:secret@example.com/' }, 'url'],
    [{ url: 'ftp://example.com/' }, 'url'],
    [{ types: ['upstream.tired'] }, 'types.0'],
    [{ secret: 'whsec_mine' }, 'secret'],
    [{ name: '' }, 'name'],
  ])('cannot be made with %j', async (fields, path) => {
    const body = { name: 'wrong', url: 'https://example.com/hook', ...fields };
    expect(await gateway.admin.post('/webhooks', body)).toMatchObject({ status: 422, body: { errors: [{ path }] } });
  });
});
