import * as fc from 'fast-check';
import type { Group, IssuedKey, IssuedWebhook, Model, Price, Upstream } from '../../libs/contract/src/index.js';
import type { AdminAnswer, AdminClient } from './admin-client.js';

/** What operators do; some of it is refused. */
const WRITES = [
  'group.create',
  'group.update',
  'group.delete',
  'key.create',
  'key.update',
  'key.rotate',
  'key.revoke',
  'key.delete',
  'model.create',
  'model.update',
  'model.delete',
  'price.create',
  'price.delete',
  'price.import',
  'upstream.create',
  'upstream.update',
  'upstream.trip',
  'upstream.reset',
  'upstream.test',
  'upstream.delete',
  'balance.top_up',
  'balance.correction',
  'balance.closing',
  'webhook.create',
  'webhook.update',
  'webhook.rotate',
  'webhook.test',
  'webhook.delete',
  'settings.update',
  'erasure.begin',
  'bodies.erase',
  'request.reprice',
] as const;

/** One of them, and of what: numbers stand for one of the objects that are there by then. */
export interface Write {
  readonly action: (typeof WRITES)[number];
  readonly pick: number;
  /** What nobody accepts. */
  readonly isRefused: boolean;
}

/** Things are made more often than taken away, so that there is something to change. */
export const anyWrite: fc.Arbitrary<Write> = fc.record({
  action: fc.oneof(
    { weight: 2, arbitrary: fc.constantFrom(...WRITES.filter((action) => action.endsWith('.create'))) },
    { weight: 3, arbitrary: fc.constantFrom(...WRITES) },
  ),
  pick: fc.nat(1_000),
  isRefused: fc.integer({ min: 0, max: 9 }).map((chance) => chance === 0),
});

const takesAway = (action: string) => action.endsWith('.delete');

/** Each of them, one after the other, and all of one object: no action is left to chance. */
export const everyWrite: readonly Write[] = [
  ...WRITES.filter((action) => !takesAway(action)),
  ...WRITES.filter(takesAway).toReversed(),
].map((action) => ({ action, pick: 0, isRefused: false }));

const NOBODY = '0'.repeat(32);
const PRICES = { input_per_million_usd: '1', output_per_million_usd: '2' };
const TIME = { from: '2026-11-01T00:00:00Z', to: '2026-11-02T00:00:00Z' };
/** Nobody listens there, and who is asked says so at once. */
const SILENT = 'http://127.0.0.1:9';

/** Writes as operators do, and knows every secret that there has been. */
export class Writer {
  readonly secrets: string[] = [];
  private readonly ids: Record<'group' | 'key' | 'model' | 'upstream' | 'webhook', string[]> = {
    group: [],
    key: [],
    model: [],
    upstream: [],
    webhook: [],
  };
  private readonly prices: { model: string; price: string }[] = [];
  private count = 0;

  constructor(private readonly admin: AdminClient) {}

  /** As it was answered. */
  async write({ action, pick, isRefused }: Write): Promise<AdminAnswer> {
    const name = isRefused ? '' : `n${++this.count}-${pick}`;
    const [object = '', verb = ''] = action.split('.');
    const id = (kind: keyof Writer['ids'], prefix: string) =>
      isRefused ? `${prefix}_${NOBODY}` : (this.ids[kind][pick % this.ids[kind].length] ?? `${prefix}_${NOBODY}`);
    switch (object) {
      case 'group':
        return this.writeGroup(verb, id('group', 'grp'), name);
      case 'key':
        return this.writeKey(verb, id('key', 'key'), id('group', 'grp'), name);
      case 'model':
        return this.writeModel(verb, id('model', 'mdl'), name);
      case 'price':
        return this.writePrice(verb, id('model', 'mdl'), name);
      case 'upstream':
        return this.writeUpstream(verb, id('upstream', 'ups'), name);
      case 'balance':
        return this.writeBalance(verb, pick % 2 === 0 ? id('key', 'key') : id('group', 'grp'), isRefused);
      case 'webhook':
        return this.writeWebhook(verb, id('webhook', 'whk'), name);
      case 'settings':
        return this.admin.patch('/settings', {
          compaction_max_age_days: isRefused ? 0 : 1 + (pick % 100),
          retention_alerts_days: 1 + (pick % 100),
        });
      case 'erasure':
        return this.admin.post('/erasures', isRefused ? {} : { key_id: id('key', 'key') });
      case 'bodies':
        return this.admin.delete(`/bodies?${isRefused ? '' : `group=${id('group', 'grp')}`}`);
      default:
        return this.admin.post('/requests/reprice', { ...TIME, ...(isRefused ? { to: 'never' } : {}) });
    }
  }

  private async writeGroup(verb: string, id: string, name: string): Promise<AdminAnswer> {
    if (verb === 'create') return this.made('group', await this.admin.post('/groups', { name, models: ['*'] }));
    if (verb === 'update') return this.admin.patch(`/groups/${id}`, { name, budget_usd: '5' });
    return this.admin.delete(`/groups/${id}`);
  }

  private async writeKey(verb: string, id: string, groupId: string, name: string): Promise<AdminAnswer> {
    if (verb === 'create') return this.made('key', await this.admin.post('/keys', { name, group_id: groupId }));
    if (verb === 'update') return this.admin.patch(`/keys/${id}`, { name, group_id: groupId });
    if (verb === 'delete') return this.admin.delete(`/keys/${id}`);
    return this.made(null, await this.admin.post(`/keys/${id}/${verb}`));
  }

  private async writeModel(verb: string, id: string, name: string): Promise<AdminAnswer> {
    const upstreams = this.ids.upstream.slice(0, 2).map((upstream) => ({ upstream_id: upstream }));
    const body = { name, prices: PRICES };
    if (verb === 'create') return this.made('model', await this.admin.post('/models', body));
    if (verb === 'update') return this.admin.patch(`/models/${id}`, { ...body, upstreams });
    return this.admin.delete(`/models/${id}`);
  }

  private async writePrice(verb: string, model: string, name: string): Promise<AdminAnswer> {
    if (verb === 'import') {
      const listed = { input_cost_per_token: 0.000001, output_cost_per_token: 0.000002, mode: 'chat' };
      const list = name === '' ? [] : { [name]: { ...listed, litellm_provider: 'openai' } };
      return this.admin.post('/prices/import?create_models=true', list);
    }
    if (verb === 'create') {
      const later = { ...PRICES, effective_from: '2036-01-01T00:00:00Z' };
      const answer = await this.admin.post(`/models/${model}/prices`, later);
      if (answer.status === 201) this.prices.push({ model, price: (answer.body as Price).id });
      return answer;
    }
    const given = name === '' ? undefined : this.prices.pop();
    return this.admin.delete(`/models/${given?.model ?? model}/prices/${given?.price ?? `prc_${NOBODY}`}`);
  }

  private async writeUpstream(verb: string, id: string, name: string): Promise<AdminAnswer> {
    const secret = (what: string) => `${what}-of-${this.count}-${Math.random().toString(36).slice(2)}`;
    const [credential, header, password] = [secret('credential'), secret('header'), secret('password')];
    const secrets = {
      credential,
      extra_headers: { 'x-tenant': header },
      http_proxy: `http://me:${password}@127.0.0.1:9`,
    };
    this.secrets.push(credential, header, password);
    if (verb === 'create') {
      const body = { name, base_url: SILENT, enabled: false, ...secrets };
      return this.made('upstream', await this.admin.post('/upstreams', body));
    }
    if (verb === 'update') return this.admin.patch(`/upstreams/${id}`, { name, ...secrets });
    if (verb === 'delete') return this.admin.delete(`/upstreams/${id}`);
    return this.admin.post(`/upstreams/${id}/${verb}`);
  }

  private writeBalance(verb: string, owner: string, isRefused: boolean): Promise<AdminAnswer> {
    if (verb === 'closing') return this.admin.delete(`/balances/${owner}`);
    const amount = isRefused ? '0' : '1.5';
    return this.admin.post(`/balances/${owner}/entries`, { kind: verb, amount_usd: amount, reason: 'paid' });
  }

  private async writeWebhook(verb: string, id: string, name: string): Promise<AdminAnswer> {
    const token = `token-${Math.random().toString(36).slice(2)}`;
    const body = { name, url: `${SILENT}/hook?token=${token}`, enabled: false };
    this.secrets.push(token);
    if (verb === 'create') return this.made('webhook', await this.admin.post('/webhooks', body));
    if (verb === 'update') return this.admin.patch(`/webhooks/${id}`, body);
    if (verb === 'delete') return this.admin.delete(`/webhooks/${id}`);
    return this.made(null, await this.admin.post(`/webhooks/${id}/${verb}`));
  }

  /** @param kind null: it was there before */
  private made(kind: keyof Writer['ids'] | null, answer: AdminAnswer): AdminAnswer {
    if (answer.status >= 300) return answer;
    const { id, secret } = answer.body as Partial<Group & IssuedKey & IssuedWebhook & Model & Upstream>;
    if (kind !== null && id !== undefined) this.ids[kind].push(id);
    if (secret !== undefined) this.secrets.push(secret);
    return answer;
  }
}
