import { request } from 'undici';
import type { IssuedAdminToken, IssuedKey, Model, Permission, Price, Upstream } from '../../libs/contract/src/index.js';
import { AdminDescription, type Operation } from './admin-operations.js';
import { type Caller, callersOf, tokensOf, type UsedKey, useKey } from './authorisation-callers.js';
import { ADMIN_TOKEN, TestGateway } from './gateway.js';
import { inParallel } from './in-parallel.js';
import { OperatorClient } from './operator-client.js';
import { type Scene, startScene } from './scene.js';
import { minimalValue } from './schema-values.js';

export interface AdminReply {
  status: number;
  text: string;
}

/** Where the least that the schema takes would not do. */
const BODIES: Readonly<Record<string, (scene: AuthorisationScene) => object>> = {
  'POST /upstreams': ({ simulator }) => ({ base_url: simulator.baseUrl, enabled: false }),
  'POST /webhooks': ({ simulator }) => ({ url: simulator.url, enabled: false }),
  'POST /erasures': () => ({ session_id: 'nobody' }),
  'POST /explain': ({ own }) => ({ key_id: own.key.id }),
  'POST /operators': () => ({ role: 'viewer' }),
  'POST /tokens': () => ({ permissions: ['self:read'] }),
  'PATCH /settings': () => ({ compaction_max_age_days: 30 }),
};

interface People {
  readonly callers: readonly Caller[];
  readonly developers: readonly Caller[];
  /** By permission: a token with this and no other, and one with all others. */
  readonly tokens: ReadonlyMap<Permission, readonly [Caller, Caller]>;
}

/** A gateway with somebody of every kind, and two keys that have been used; the developer is bound to the first. */
export class AuthorisationScene {
  private count = 0;
  private readonly shared = new Map<string, Promise<Record<string, string>>>();

  private constructor(
    private readonly scene: Scene,
    readonly api: AdminDescription,
    private readonly people: People,
    readonly own: UsedKey,
    readonly foreign: UsedKey,
  ) {}

  static async start(env: Record<string, string>): Promise<AuthorisationScene> {
    const scene = await startScene({ gateway: { env } });
    const { gateway } = scene;
    const api = await AdminDescription.of(gateway);
    const [own, foreign] = [await useKey(gateway, 'own'), await useKey(gateway, 'foreign')];
    const owner = await OperatorClient.firstOwner(gateway);
    const { callers, developers } = await callersOf(gateway, owner, own);
    const asked = [...new Set(api.operations.flatMap(({ permission }) => permission ?? []))];
    const tokens = new Map(
      await inParallel(asked, async (permission) => [permission, await tokensOf(gateway, permission)] as const),
    );
    return new AuthorisationScene(scene, api, { callers, developers, tokens }, own, foreign);
  }

  get gateway(): TestGateway {
    return this.scene.gateway;
  }

  get simulator(): Scene['simulator'] {
    return this.scene.simulator;
  }

  get developers(): readonly Caller[] {
    return this.people.developers;
  }

  stop(): Promise<void> {
    return this.scene.stop();
  }

  /** Everybody who is to try an operation. */
  callersFor({ permission }: Operation): readonly Caller[] {
    return [...this.people.callers, ...(permission === null ? [] : (this.people.tokens.get(permission) ?? []))];
  }

  /** What an operation is asked with when all is well; it changes something, where it can. */
  bodyOf(operation: Operation): Record<string, unknown> | undefined {
    if (operation.body === null) return undefined;
    const least = minimalValue(operation.body, this.api.resolved, (kind) => this.idOf(kind)) as object;
    const names = Object.keys(this.api.resolved(operation.body).properties ?? {});
    const named = operation.method === 'PATCH' && names.includes('name') ? { name: this.newName() } : {};
    return { ...least, ...named, ...BODIES[operation.name]?.(this) };
  }

  /** The query without which it would be refused. @param keyId of a key of which it may do away with something */
  queryOf({ name, parameters }: Operation, keyId: string): string {
    if (name === 'DELETE /bodies') return `?key=${keyId}`;
    const needed = parameters.filter((parameter) => parameter.in === 'query' && parameter.required);
    const value = (schema: Operation['parameters'][number]['schema']) =>
      String(minimalValue(schema, this.api.resolved, (kind) => this.idOf(kind)));
    return needed.length === 0 ? '' : `?${needed.map((one) => `${one.name}=${value(one.schema)}`).join('&')}`;
  }

  /** What the path of an operation names, the same each time; nothing of it may come to harm. */
  sharedSubject({ path }: Operation): Promise<Record<string, string>> {
    return this.subjectAt(path, path);
  }

  /** The same for what may be changed in odd ways: as in `sharedSubject`, but of its own. */
  oddSubject(operation: Operation): Promise<Record<string, string>> {
    return this.subjectAt(`odd ${operation.name}`, operation.path);
  }

  /** Of what the developers may see. */
  ownSubject(operation: Operation): Promise<Record<string, string>> {
    return operation.path.startsWith('/keys/')
      ? Promise.resolve({ id: this.own.key.id })
      : this.sharedSubject(operation);
  }

  /** Something for the path of an operation that may be done away with; {} where the test knows of none. */
  async newSubject(path: string, as?: Caller): Promise<Record<string, string>> {
    const { admin } = this.gateway;
    const name = this.newName();
    const create = async (at: string, body: object) => (await admin.create<{ id: string }>(at, body)).id;
    switch (/^\/([\w-]+)\/\{/.exec(path)?.[1]) {
      case 'keys':
        return { id: await create('/keys', { name, group_id: this.own.group.id }) };
      case 'groups':
        return { id: await create('/groups', { name }) };
      case 'balances': {
        const owner = await create('/keys', { name, group_id: this.own.group.id });
        await admin.create(`/balances/${owner}/entries`, { kind: 'top_up', amount_usd: '1' });
        return { owner };
      }
      case 'models': {
        const { id } = await admin.create<Model>('/models', { name });
        const prices = {
          input_per_million_usd: '1',
          output_per_million_usd: '1',
          effective_from: '2100-01-01T00:00:00Z',
        };
        return { id, price_id: (await admin.create<Price>(`/models/${id}/prices`, prices)).id };
      }
      case 'upstreams': {
        const upstream = { name, base_url: this.simulator.baseUrl, enabled: false };
        return { id: (await admin.create<Upstream>('/upstreams', upstream)).id };
      }
      case 'requests':
        return { id: this.own.requestIds[0] ?? '' };
      case 'sessions':
        return { id: this.own.sessionId };
      case 'erasures':
        return { id: await create('/erasures', { session_id: 'nobody' }) };
      case 'webhooks':
        return { id: await create('/webhooks', { name, url: this.simulator.url, enabled: false }) };
      case 'operators':
        return { id: await create('/operators', { name, email: `${name}@example.com`, role: 'viewer' }) };
      case 'tokens':
        return { id: await this.newToken(name, as) };
      default:
        return {};
    }
  }

  /** A key that may be done away with. */
  async newKeyId(): Promise<string> {
    const { admin } = this.gateway;
    return (await admin.create<IssuedKey>('/keys', { name: this.newName(), group_id: this.own.group.id })).id;
  }

  /** A request to the admin API. */
  async ask(operation: Operation, url: string, headers: Record<string, string>, body?: unknown): Promise<AdminReply> {
    const answer = await request(`${this.gateway.url}/admin/v1${url}`, {
      method: operation.method as 'GET',
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      body: body === undefined ? null : JSON.stringify(body),
    });
    const isEndless = String(answer.headers['content-type']).startsWith('text/event-stream');
    if (isEndless) answer.body.on('error', () => undefined).destroy();
    return { status: answer.statusCode, text: isEndless ? '' : await answer.body.text() };
  }

  /** The same by whoever has ADMIN_TOKEN. */
  askAsRoot(operation: Operation, url: string, body?: unknown): Promise<AdminReply> {
    return this.ask(operation, url, { authorization: `Bearer ${ADMIN_TOKEN}` }, body);
  }

  /** All that the control plane can change, as one text. */
  async state(): Promise<string[]> {
    const { database } = this.gateway;
    const tables = await database.query<{ name: string }>(
      `SELECT table_name AS name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'
       AND table_name !~ '^(_prisma|request_log|usage_|change_feed)' ORDER BY 1`,
    );
    const content = `md5(coalesce(string_agg((to_jsonb(t) - '{last_seen_at,last_used_at}'::text[])::text, ',' ORDER BY t::text), ''))`;
    const rows = await database.query<{ row: string }>(
      tables
        .map(({ name }) => `SELECT '${name} ' || count(*) || ' ' || ${content} AS row FROM "${name}" t`)
        .join(' UNION ALL '),
    );
    return rows.map(({ row }) => row).toSorted();
  }

  private subjectAt(place: string, path: string): Promise<Record<string, string>> {
    const found = this.shared.get(place) ?? this.newSubject(path);
    this.shared.set(place, found);
    return found;
  }

  private async newToken(name: string, as: Caller | undefined): Promise<string> {
    const body = { name, permissions: ['self:read'] };
    const isMaker = as?.permissions?.has('self:write') && !as.isForged;
    if (!as || !isMaker) return (await this.gateway.admin.create<IssuedAdminToken>('/tokens', body)).id;
    const { status, text } = await this.ask({ method: 'POST' } as Operation, '/tokens', as.headers, body);
    if (status !== 201) throw new Error(`${as.name} makes no token: ${status} ${text}`);
    return (JSON.parse(text) as IssuedAdminToken).id;
  }

  private idOf(kind: string): string {
    const ids: Record<string, string> = { group: this.own.group.id, key: this.own.key.id };
    return ids[kind] ?? `no-${kind}`;
  }

  private newName(): string {
    return `made-${++this.count}`;
  }
}
