import type { Alert, IssuedWebhook, WebhookDelivery } from '@app/contract';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { TestGateway } from '../support/gateway.js';
import { call, callBody } from '../support/responses-client.js';
import { type Scene, startScene } from '../support/scene.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';

let database: TestDatabase;
let scene: Scene;
let twin: TestGateway;
let receiver: ScriptedUpstream;

beforeAll(async () => {
  database = await createDatabase();
  receiver = await ScriptedUpstream.start();
  receiver.behave = (response) => response.writeHead(204).end();
  scene = await startScene({ gateway: { database } });
  twin = await TestGateway.start({ database });
  // Models without a price are alerts, too.
  const prices = { input_per_million_usd: '1', output_per_million_usd: '1' };
  await scene.gateway.admin.create('/models', { name: 'gpt-5.5', prices });
});
afterAll(async () => {
  await Promise.all([scene.stop(), twin.stop()]);
  await receiver.close();
  await database.drop();
});

const alerts = async (type: string) =>
  ((await scene.gateway.admin.get(`/alerts?type=${type}`)).body as { data: Alert[] }).data;
const alert = (type: string, isIt: (found: Alert) => boolean = () => true) =>
  eventually(`an alert of type ${type}`, async () => (await alerts(type)).find(isIt));
const received = () =>
  receiver.calls.map(({ body }) => JSON.parse(body.toString()) as { type: string; data: Record<string, unknown> });
const delivery = async (webhook: IssuedWebhook, isIt: (found: WebhookDelivery) => boolean) =>
  eventually('such a delivery', async () => {
    const { body } = await twin.admin.get(`/webhooks/${webhook.id}/deliveries`);
    return (body as { data: WebhookDelivery[] }).data.find(isIt);
  });
const webhook = (name: string, types: string[]) =>
  scene.gateway.admin.create<IssuedWebhook>('/webhooks', { name, types, url: receiver.url });

describe('an upstream that goes down', () => {
  it('is one alert on all replicas until it answers again, told in the audit log and to the webhooks that want it', async () => {
    const { gateway, issued, secret } = scene;
    const id = issued.upstream?.id ?? '';
    const all = await webhook('all', []);
    await webhook('none of these', ['model.unpriced']);
    await gateway.admin.post(`/upstreams/${id}/trip`);
    const down = await alert('upstream.down');
    expect(down).toMatchObject({ object_id: id, severity: 'critical', data: { reason: 'tripped' }, resolved_at: null });
    // The other replica has noticed it once its own look round is over; nothing tells that from outside.
    await gateway.admin.post(`/upstreams/${id}/reset`);
    await call(gateway.url, callBody('hello'), { secret });
    await call(twin.url, callBody('hello'), { secret });
    const recovered = await alert('upstream.recovered');
    expect((await alerts('upstream.down')).map(({ resolved_at }) => resolved_at)).toEqual([recovered.created_at]);
    for (const { id: alertId } of [down, recovered]) {
      await delivery(all, ({ alert_id, state }) => alert_id === alertId && state === 'delivered');
    }
    expect(received().map(({ type, data }) => [type, data.alert_id])).toEqual(
      expect.arrayContaining([
        ['upstream.down', down.id],
        ['upstream.recovered', recovered.id],
      ]),
    );
    expect(receiver.calls).toHaveLength(2);
    const audit = await database.query(
      `SELECT action, actor FROM audit_entries WHERE action LIKE 'alert.%' ORDER BY id`,
    );
    expect(audit).toEqual([
      { action: 'alert.upstream.down', actor: 'system' },
      { action: 'alert.upstream.recovered', actor: 'system' },
    ]);
    await gateway.admin.delete(`/webhooks/${all.id}`);
  });

  it('is noticed by its circuit, and a delivery that failed is made again by whoever lives', async () => {
    const { gateway, secret } = scene;
    const stubborn = await webhook('stubborn', ['upstream.down']);
    receiver.behave = (response) => response.writeHead(500).end('not today');
    const closed = await ScriptedUpstream.start();
    const url = closed.url;
    await closed.close();
    const body = { name: 'dead', base_url: url, priority: 0 };
    const dead = await gateway.admin.create<{ id: string }>('/upstreams', body);
    await gateway.admin.patch(`/upstreams/${scene.issued.upstream?.id}`, { priority: 1 });
    expect((await call(gateway.url, callBody('hello'), { secret })).status).toBe(200);
    const down = await alert('upstream.down', ({ object_id }) => object_id === dead.id);
    expect(down).toMatchObject({ data: { name: 'dead', reason: 'circuit_open' } });
    const waiting = await delivery(stubborn, ({ state, attempts }) => state === 'pending' && attempts === 1);
    const failed = await delivery(stubborn, ({ last_status }) => last_status === 500);
    expect(failed).toMatchObject({ id: waiting.id, state: 'pending', last_answer: 'not today' });
    expect(Date.parse(failed.next_attempt_at ?? '') - Date.now()).toBeGreaterThan(1_000);

    const exit = await gateway.stop('SIGKILL');
    expect(exit).not.toBe(0);
    receiver.behave = (response) => response.writeHead(204).end();
    await database.query(`UPDATE webhook_deliveries SET next_attempt_at = now() WHERE state = 'pending'`);
    const made = await delivery(stubborn, ({ state }) => state === 'delivered');
    expect(made).toMatchObject({ id: failed.id, attempts: 2, last_status: 204, next_attempt_at: null });
    const ids = receiver.calls.slice(-2).map(({ request }) => request.headers['webhook-id']);
    expect(ids).toEqual([down.id, down.id]);
    const metrics = await (await fetch(`${twin.url}/metrics`)).text();
    expect(metrics).toContain('tollgate_webhook_attempts_total{result="delivered"}');
    expect(metrics).toContain('tollgate_alerts_dropped_total 0');
  });
});

it('alerts cannot be asked for by a type that there is not', async () => {
  expect(await twin.admin.get('/alerts?type=upstream.tired')).toMatchObject({
    status: 422,
    body: { errors: [{ path: 'type' }] },
  });
});
