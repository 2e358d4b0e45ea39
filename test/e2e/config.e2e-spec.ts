import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigFileError, parseConfigFile } from '../../libs/config-file/src/index.js';
import {
  type ConfigApplied,
  type ConfigDiff,
  type ConfigDrift,
  configJsonSchema,
  type Group,
  type Key,
  type Model,
  type Page,
  type Problem,
  type Upstream,
} from '../../libs/contract/src/index.js';
import { makeSecret } from '../../libs/keys/src/key-secret.js';
import type { AdminAnswer } from '../support/admin-client.js';
import { createDatabase } from '../support/database.js';
import { ADMIN_TOKEN, temporaryFolder, TestGateway } from '../support/gateway.js';
import { call, callBody } from '../support/responses-client.js';
import { fillGateway, SECRETS } from '../support/used-gateway.js';

let used: TestGateway;
let empty: TestGateway;

beforeAll(async () => {
  [used, empty] = await Promise.all([TestGateway.start(), TestGateway.start()]);
  await fillGateway(used.admin);
});
afterAll(async () => {
  await Promise.all([used.stop(), empty.stop()]);
});

const WEBHOOK_SECRET = `whsec_${Buffer.alloc(32, 9).toString('base64')}`;
const ENV = { ...SECRETS, TOLLGATE_WEBHOOK_ON_CALL_SECRET: WEBHOOK_SECRET };

async function yamlOf(gateway: TestGateway, query = 'format=yaml'): Promise<string> {
  const headers = { authorization: `Bearer ${ADMIN_TOKEN}` };
  return (await fetch(`${gateway.url}/admin/v1/config?${query}`, { headers })).text();
}

const priceOf = async (gateway: TestGateway, name: string) =>
  (await objectsOf<Model>(gateway, '/models')).find((model) => model.name === name)?.prices?.input_per_million_usd;
const namesOf = async (gateway: TestGateway, path: string) =>
  (await objectsOf<{ name: string }>(gateway, path)).map(({ name }) => name).toSorted();

async function objectsOf<T>(gateway: TestGateway, path: string): Promise<T[]> {
  return ((await gateway.admin.get(`${path}?limit=200`)).body as Page<T>).data;
}

/** Who did what, in order. */
async function entriesOf(gateway: TestGateway): Promise<string[]> {
  const rows = await gateway.database.query<{ entry: string }>(
    `SELECT actor || ' ' || action AS entry FROM audit_entries ORDER BY sequence`,
  );
  return rows.map(({ entry }) => entry);
}

const documentOf = (text: string, env: Record<string, string> = ENV) => parseConfigFile('test.yaml', text, env).value;
const post = (gateway: TestGateway, action: string, text: string) =>
  gateway.admin.post(`/config/${action}`, documentOf(text));
const changed = ({ body }: AdminAnswer) =>
  (body as ConfigDiff).data
    .filter(({ action }) => action !== 'none')
    .map(({ action, kind, name }) => `${action} ${kind} ${name}`);

/** Everything that a file could change, and how much was noted of it. */
async function stateOf(gateway: TestGateway): Promise<unknown> {
  const tables = [
    'upstreams',
    'models',
    'model_upstreams',
    'model_prices',
    'groups',
    'group_models',
    'api_keys',
    'webhooks',
  ];
  const dumps = tables.map(
    (table) => `(SELECT coalesce(json_agg(t ORDER BY t::text), '[]')::text FROM ${table} t) AS ${table}`,
  );
  return gateway.database.query(
    `SELECT ${dumps.join(', ')}, (SELECT count(*) FROM audit_entries) AS entries,
       (SELECT json_agg(s ORDER BY name)::text FROM settings s) AS settings`,
  );
}

describe('an export', () => {
  it('applied to an empty gateway is exported there byte by byte, and never holds a secret', async () => {
    const text = await yamlOf(used);
    for (const secret of [...Object.values(SECRETS), 'proxy-password', 'sk-tg-']) expect(text).not.toContain(secret);
    const applied = await post(empty, 'apply', text);
    expect(applied.status).toBe(200);
    const { issued } = applied.body as ConfigApplied;
    expect(issued.map(({ kind, name }) => `${kind} ${name}`)).toEqual(['key ann', 'key bob']);
    expect(await yamlOf(empty)).toBe(text);
    const [, bob] = issued;
    // Its group may not use the model, but the key is known.
    expect((await call(empty.url, callBody('hi', { model: 'other' }), { secret: bob?.secret ?? '' })).status).toBe(403);
  });

  it('is applied to where it comes from without any of its secrets, when they are kept', async () => {
    const text = await yamlOf(used, 'format=yaml&secrets=keep');
    const before = await stateOf(used);
    const diff = await used.admin.post('/config/diff', documentOf(text, {}));
    const marks = (diff.body as ConfigDiff).data.flatMap(({ changes }) => changes);
    // Nothing but that the file looks after it from now on.
    expect(new Set(marks.map(({ path }) => path))).toEqual(new Set(['managed_by']));
    expect(await stateOf(used)).toEqual(before);
  });

  it('is JSON unless YAML is asked for, by either of two ways', async () => {
    const json = await used.admin.get('/config');
    const headers = { authorization: `Bearer ${ADMIN_TOKEN}`, accept: 'application/yaml' };
    const yaml = await fetch(`${used.url}/admin/v1/config`, { headers });
    expect(json.headers.get('content-type')).toContain('application/json');
    expect(yaml.headers.get('content-type')).toContain('application/yaml');
    const text = await yaml.text();
    expect(text).toBe(await yamlOf(used));
    expect(documentOf(text)).toEqual(documentOf(JSON.stringify(json.body)));
  });

  it('is refused while names do not tell keys apart, and says which', async () => {
    const { id } = await empty.admin.create<Group>('/groups', { name: 'twins' });
    const keys = [];
    for (let i = 0; i < 2; i++) keys.push(await empty.admin.create<Key>('/keys', { name: 'twin', group_id: id }));
    const answer = await empty.admin.get('/config');
    expect(answer.status).toBe(409);
    expect((answer.body as Problem).detail).toContain('twin');
    for (const key of keys) await empty.admin.delete(`/keys/${key.id}`);
    await empty.admin.delete(`/groups/${id}`);
  });
});

describe('a configuration that is applied', () => {
  it('changes what diff said, says who did it, and changes nothing the second time', async () => {
    const text = (await yamlOf(used))
      .replace('priority: 10', 'priority: 11')
      .replace('limit: "20"', 'limit: "25.50"')
      .replace('  - name: plain', '  - name: plain\n  - name: new group')
      .replace('name: bob\n    group:', 'name: bob\n    owner: bob@example.com\n    group:')
      .replace(
        '  - name: unpriced\n    prices: null',
        '  - name: unpriced\n    prices: { input_per_million_usd: "1", output_per_million_usd: "2" }',
      )
      .replace('retention_request_rows_days: 100', 'retention_request_rows_days: 101');
    const diff = await post(empty, 'diff', text);
    expect((diff.body as ConfigDiff).has_changes).toBe(true);
    expect(changed(diff)).toEqual([
      'update upstream first provider',
      'update model unpriced',
      'update group Entwickler: "Ä" #1',
      'create group new group',
      'update key bob',
      'update settings settings',
    ]);
    const windows = (diff.body as ConfigDiff).data.find(({ name }) => name.startsWith('Entwickler'))?.changes;
    expect(windows).toEqual([{ path: 'windows.0.limit', before: '20', after: '25.5' }]);

    const entries = await entriesOf(empty);
    const applied = await post(empty, 'apply', text);
    expect((applied.body as ConfigApplied).data).toEqual((diff.body as ConfigDiff).data);
    expect((await entriesOf(empty)).slice(entries.length)).toEqual([
      'admin_token upstream.update',
      'admin_token model.update',
      'admin_token group.update',
      'admin_token group.create',
      'admin_token key.update',
      'admin_token settings.update',
    ]);
    const before = await stateOf(empty);
    const again = await post(empty, 'apply', text);
    expect(again.body).toMatchObject({ has_changes: false, issued: [] });
    expect(await stateOf(empty)).toEqual(before);
  });

  it('takes a key with its secret, which works at once, and another one later, beside which the old one works on', async () => {
    const [first, second] = [makeSecret(), makeSecret()];
    const text = 'version: 1\ngroups: [{ name: teams }]\nkeys: [{ name: carried, group: teams, secret: "${KEY}" }]';
    const statusOf = async (secret: string) =>
      (await call(empty.url, callBody('hi', { model: 'other' }), { secret })).status;
    for (const secret of [first, second]) {
      const document = documentOf(text, { KEY: secret });
      const { body } = await empty.admin.post('/config/apply', document);
      expect((body as ConfigApplied).issued).toEqual([]);
      expect((body as ConfigApplied).has_changes).toBe(true);
      expect(JSON.stringify(body)).not.toContain(secret);
      expect(await statusOf(secret)).toBe(403);
      expect((await empty.admin.post('/config/diff', document)).body).toMatchObject({ has_changes: false });
    }
    expect(await statusOf(first)).toBe(403);
    expect(await statusOf(makeSecret())).toBe(401);
  });

  it('leaves alone what it does not name, and deletes it when asked to, if it came from a file', async () => {
    await empty.admin.create('/groups', { name: 'by hand' });
    const nothing = 'version: 1\ngroups: [{ name: kept }]';
    await post(empty, 'apply', nothing);
    expect(await namesOf(empty, '/groups')).toEqual(expect.arrayContaining(['kept', 'by hand', 'plain', 'teams']));
    const diff = await empty.admin.post('/config/diff?prune=true', documentOf(nothing));
    expect(changed(diff)).toContain('delete key bob');
    const applied = await empty.admin.post('/config/apply?prune=true', documentOf(nothing));
    expect(changed(applied)).toEqual(changed(diff));
    expect(await namesOf(empty, '/groups')).toEqual(['by hand', 'kept']);
    expect(await namesOf(empty, '/upstreams')).toEqual([]);
    expect(await namesOf(empty, '/models')).toEqual([]);
    expect(await namesOf(empty, '/keys')).toEqual([]);
    expect(await namesOf(empty, '/webhooks')).toEqual([]);
  });

  it('hands an alias from one model to another, whichever comes first', async () => {
    const models = (first: string, second: string) =>
      post(empty, 'apply', `version: 1\nmodels: [{ name: a, aliases: [${first}] }, { name: b, aliases: [${second}] }]`);
    expect((await models('', 'shared')).status).toBe(200);
    expect((await models('shared', '')).status).toBe(200);
    expect((await models('', 'shared')).status).toBe(200);
  });

  it('goes on with a scheduled price when its time has come, and takes back one that is gone from the file', async () => {
    const prices = (usd: string) => `input_per_million_usd: "${usd}", output_per_million_usd: "${usd}"`;
    const version = (from: string, usd: string) => `{ effective_from: ${from}, ${prices(usd)} }`;
    const text = (...versions: string[]) =>
      `version: 1\nmodels: [{ name: scheduled, prices: { ${prices('1')} }, price_versions: [${versions.join(', ')}] }]`;
    await post(empty, 'apply', text(version('2091-01-01T00:00:00Z', '3')));
    expect(await priceOf(empty, 'scheduled')).toBe('1');
    // As if the year were over.
    const due = text(version('2020-01-01T00:00:00Z', '2'), version('2092-01-01T00:00:00Z', '4'));
    await post(empty, 'apply', due);
    expect(await priceOf(empty, 'scheduled')).toBe('2');
    expect(await yamlOf(empty)).toContain('2092-01-01');
    expect(await yamlOf(empty)).not.toContain('2091-01-01');
    expect((await post(empty, 'apply', due)).body).toMatchObject({ has_changes: false });
  });

  it('does not send what it keeps to another host', async () => {
    const upstream = (host: string, credential: string) =>
      `version: 1\nupstreams: [{ name: kept, base_url: "http://${host}:9", credential: ${credential} }]`;
    await post(empty, 'apply', upstream('127.0.0.1', 'sk-x'));
    const moved = await post(empty, 'apply', upstream('127.0.0.2', 'keep'));
    expect((moved.body as Problem).errors).toEqual([
      { path: 'upstreams.0.credential', message: 'must be given: what is stored is not sent to another host' },
    ]);
    const given = await post(empty, 'apply', upstream('127.0.0.2', 'sk-x'));
    expect(changed(given)).toEqual(['update upstream kept']);
    const [kept] = (await objectsOf<Upstream>(empty, '/upstreams')).filter(({ name }) => name === 'kept');
    expect(kept?.credential_fingerprint).not.toBeNull();
  });

  it('twice at once is applied twice, one after the other', async () => {
    const documents = ['one', 'two'].map(
      (name) => `version: 1\ngroups: [{ name: both, description: ${name} }, { name: ${name} }]`,
    );
    const answers = await Promise.all(documents.map((text) => post(empty, 'apply', text)));
    expect(answers.map(({ status }) => status)).toEqual([200, 200]);
    const actions = answers.map((answer) => changed(answer)[0]).toSorted();
    expect(actions).toEqual(['create group both', 'update group both']);
  });
});

describe('a file that is wrong', () => {
  const secretOfBob = makeSecret();
  /** Each has the line and the field that must be named; what comes before it in the file would be written first. */
  const BAD: [what: string, text: string, line: number, problem: string | RegExp][] = [
    ['an unknown list', 'version: 1\nplans: []', 2, 'plans is not a known field'],
    ['an unknown field', 'version: 1\ngroups:\n  - name: g\n    budget: 1', 4, 'groups.0.budget is not a known field'],
    [
      'a field of the wrong type',
      'version: 1\ngroups:\n  - name: g\n    queue_wait_ms: soon',
      4,
      /queue_wait_ms must be a/,
    ],
    ['no name', 'version: 1\ngroups:\n  - description: d', 3, 'groups.0.name is required'],
    [
      'a name twice',
      'version: 1\ngroups:\n  - name: g\n  - name: h\n  - name: g',
      5,
      /groups.2.name must not be g a second time/,
    ],
    [
      'a group that is none',
      'version: 1\nkeys:\n  - name: k\n    group: nobody',
      4,
      'keys.0.group is nobody, which is no group',
    ],
    [
      'an upstream that is none',
      'version: 1\nmodels:\n  - name: m\n    upstreams:\n      - upstream: nowhere',
      4,
      'models.0.upstreams must not name nowhere, which is no upstream',
    ],
    [
      'a variable that is not set',
      'version: 1\nupstreams:\n  - name: u\n    base_url: http://127.0.0.1:9\n    credential: ${NOT_SET}',
      5,
      'upstreams.0.credential needs the variable NOT_SET, which is not set',
    ],
    ['an open quote', 'version: 1\ngroups:\n  - name: "g\n', 4, /is not valid YAML: Missing closing "quote/],
    ['a tab', 'version: 1\ngroups:\n\t- name: g', 3, /is not valid YAML: Tabs are not allowed as indentation/],
    ['a field twice', 'version: 1\ngroups:\n  - name: g\n    name: h', 4, /is not valid YAML: Map keys must be unique/],
    [
      'a negative price',
      'version: 1\nmodels:\n  - name: m\n    prices:\n      output_per_million_usd: "1"\n      input_per_million_usd: "-1"',
      6,
      /models.0.prices.input_per_million_usd must be a decimal string/,
    ],
    [
      'money that is a number',
      'version: 1\ngroups:\n  - name: g\n    budget_usd: 20',
      4,
      /groups.0.budget_usd must be a string/,
    ],
    ['another version', 'groups: []\nversion: 2', 2, 'version must be 1'],
    ['nothing', '', 1, /must be a/],
    [
      'an address that is none',
      'version: 1\nupstreams:\n  - name: first\n    base_url: http://127.0.0.1:9\n  - base_url: ftp://x\n    name: u',
      5,
      /upstreams.1.base_url must be an http/,
    ],
    [
      'a proxy that is none',
      'version: 1\nupstreams:\n  - name: u\n    base_url: http://127.0.0.1:9\n    http_proxy: proxy',
      5,
      'upstreams.0.http_proxy must be an http:// or https:// URL',
    ],
    [
      'a header of the gateway',
      'version: 1\nupstreams:\n  - name: u\n    base_url: http://127.0.0.1:9\n    extra_headers:\n      X.Dotted: fine\n      Host: x',
      7,
      /upstreams.0.extra_headers.Host is set by the gateway itself/,
    ],
    [
      'nothing to keep',
      'version: 1\ngroups:\n  - name: g\nupstreams:\n  - name: u\n    base_url: http://127.0.0.1:9\n    credential: keep',
      7,
      /upstreams.0.credential must be given: there is nothing yet/,
    ],
    [
      'a key with a typo',
      `version: 1\ngroups: [{ name: g }]\nkeys:\n  - name: k\n    group: g\n    secret: sk-tg-${'0'.repeat(49)}`,
      6,
      /keys.0.secret must be a key as Tollgate makes them/,
    ],
    [
      'a short secret of a webhook',
      'version: 1\nwebhooks:\n  - name: w\n    url: http://127.0.0.1:9\n    secret: whsec_c2hvcnQ=',
      5,
      /webhooks.0.secret must be whsec_/,
    ],
    [
      'a window of the wrong unit',
      'version: 1\ngroups:\n  - name: g\n    windows:\n      - name: w\n        period: 5h\n        unit: usd\n        limit: 5',
      8,
      /groups.0.windows.0.limit must be a decimal string/,
    ],
    [
      'no ceiling',
      'version: 1\ngroups:\n  - name: g\n    unpriced_models: ceiling',
      3,
      /groups.0.ceiling_prices must be given/,
    ],
    [
      'a setting out of bounds',
      'version: 1\nsettings:\n  retention_audit_days: 0',
      3,
      /settings.retention_audit_days is not valid/,
    ],
    [
      'an alias that leads elsewhere (known only when upstream and model are written)',
      'version: 1\nupstreams: [{ name: u, base_url: "http://127.0.0.1:9" }]\nmodels:\n  - name: fine\n  - name: m\n    aliases: [best]',
      5,
      'models.1 The name best already leads to another model.',
    ],
    [
      'a secret of another key (known only at the end)',
      `version: 1\ngroups: [{ name: g }]\nkeys:\n  - name: k1\n    group: g\n    secret: ${secretOfBob}\n  - name: k2\n    group: g\n    secret: ${secretOfBob}`,
      7,
      'keys.1 The secret of the key k2 is that of another key.',
    ],
  ];

  /** As the command line does it. */
  async function problemsOf(text: string): Promise<string[]> {
    try {
      const { value, places } = parseConfigFile('bad.yaml', text, {});
      const { status, body } = await used.admin.post('/config/apply', value);
      expect(status).toBeGreaterThanOrEqual(409);
      return ((body as Problem).errors ?? []).map(({ path, message }) => `${places(path).line}: ${path} ${message}`);
    } catch (error) {
      if (!(error instanceof ConfigFileError)) throw error;
      return error.problems.map(({ line, path, message }) => `${line}: ${path} ${message}`.replace(':  ', ': '));
    }
  }

  it.each(BAD)('for %s changes nothing, and is told its line', async (_, text, line, problem) => {
    const before = await stateOf(used);
    const [first = ''] = await problemsOf(text);
    expect(Number(first.split(':')[0])).toBe(line);
    expect(first.slice(first.indexOf(' ') + 1).trim()).toEqual(
      typeof problem === 'string' ? problem : expect.stringMatching(problem),
    );
    expect(await stateOf(used)).toEqual(before);
  });

  it('for a reference that nobody has resolved is refused by the API', async () => {
    const upstream = { name: 'u', base_url: 'http://127.0.0.1:9', credential: '${SECRET}' };
    const { status, body } = await used.admin.post('/config/apply', { version: 1, upstreams: [upstream] });
    expect(status).toBe(422);
    expect((body as Problem).errors?.[0]?.path).toBe('upstreams.0.credential');
  });

  it('whose deletions cannot be, deletes and writes nothing', async () => {
    await post(used, 'apply', 'version: 1\ngroups: [{ name: lent }]');
    const [lent] = (await objectsOf<Group>(used, '/groups')).filter(({ name }) => name === 'lent');
    await used.admin.create('/keys', { name: 'by hand', group_id: lent?.id });
    const before = await stateOf(used);
    const answer = await used.admin.post('/config/apply?prune=true', { version: 1, groups: [{ name: 'new' }] });
    expect(answer.status).toBe(409);
    expect((answer.body as Problem).detail).toContain('The group lent has keys');
    expect(await stateOf(used)).toEqual(before);
  });
});

describe('the example of the documentation', () => {
  it('can be applied as it is', async () => {
    const markdown = readFileSync(join(__dirname, '../../docs/configuration-file.md'), 'utf8');
    const [, text = ''] = /```yaml\n(# yaml-language-server[^]*?)```/.exec(markdown) ?? [];
    const env = {
      OPENAI_API_KEY: 'sk-1',
      FALLBACK_URL: 'http://127.0.0.1:9/v1',
      FALLBACK_CREDENTIAL: 'sk-2',
      FALLBACK_TEAM: 'x',
      PROXY_PASSWORD: 'p',
      ANN_KEY: makeSecret(),
      CI_KEY: makeSecret(),
      ON_CALL_SECRET: WEBHOOK_SECRET,
    };
    const { status, body } = await empty.admin.post('/config/apply', documentOf(text, env));
    expect({ status, body }).toMatchObject({ status: 200, body: { has_changes: true, issued: [] } });
    expect((await empty.admin.post('/config/diff', documentOf(text, env))).body).toMatchObject({ has_changes: false });
  });
});

describe('drift', () => {
  it('is what was changed by hand since a file was applied, and is shown by a diff with that file, too', async () => {
    const text =
      'version: 1\nupstreams: [{ name: drifting, base_url: "http://127.0.0.1:9", credential: sk-1 }]\n' +
      'groups: [{ name: watched, queue_wait_ms: 7 }, { name: still }]\nsettings: { retention_alerts_days: 50 }';
    await post(used, 'apply', text);
    expect((await used.admin.get('/config/drift')).body).toMatchObject({
      has_changes: false,
      applied_by: 'admin_token',
      data: [],
    });
    const [upstream] = (await objectsOf<Upstream>(used, '/upstreams')).filter(({ name }) => name === 'drifting');
    const [group] = (await objectsOf<Group>(used, '/groups')).filter(({ name }) => name === 'watched');
    const [still] = (await objectsOf<Group>(used, '/groups')).filter(({ name }) => name === 'still');
    expect([upstream?.managed_by, group?.managed_by]).toEqual(['config', 'config']);
    await used.admin.patch(`/upstreams/${upstream?.id}`, { credential: 'sk-2' });
    await used.admin.patch(`/groups/${group?.id}`, { queue_wait_ms: 8, models: ['gpt-*'] });
    await used.admin.delete(`/groups/${still?.id}`);
    await used.admin.patch('/settings', { retention_alerts_days: 51 });
    const drift = (await used.admin.get('/config/drift')).body as ConfigDrift;
    expect(drift.applied_at).toMatch(/^20/);
    expect(drift.data).toEqual([
      {
        action: 'update',
        kind: 'upstream',
        name: 'drifting',
        changes: [
          { path: 'credential', before: expect.stringMatching(/^sha256:/), after: expect.stringMatching(/^sha256:/) },
        ],
      },
      {
        action: 'update',
        kind: 'group',
        name: 'watched',
        changes: [
          { path: 'models', before: ['gpt-*'], after: [] },
          { path: 'queue_wait_ms', before: 8, after: 7 },
        ],
      },
      { action: 'create', kind: 'group', name: 'still', changes: [] },
      {
        action: 'update',
        kind: 'settings',
        name: 'settings',
        changes: [{ path: 'retention_alerts_days', before: 51, after: 50 }],
      },
    ]);
    expect((await post(used, 'diff', text)).body).toEqual({ has_changes: true, data: drift.data });
    await post(used, 'apply', text);
    expect((await used.admin.get('/config/drift')).body).toMatchObject({ has_changes: false, data: [] });
  });
});

describe('the schema', () => {
  it('is the same in the API and in docs, and takes what the API takes', async () => {
    const { body } = await used.admin.get('/config/schema');
    expect(body).toEqual(configJsonSchema());
    expect(JSON.parse(readFileSync(join(__dirname, '../../docs/config.schema.json'), 'utf8'))).toEqual(body);
  });

  it.each(['upstreams', 'groups', 'keys', 'webhooks', 'models'])(
    'knows every field that the API takes for %s',
    async (list) => {
      const document = (await (await fetch(`${used.url}/admin/v1/openapi.json`)).json()) as {
        components: { schemas: Schemas };
      };
      const kind = list.slice(0, 1).toUpperCase() + list.slice(1, -1);
      const taken = Object.keys(document.components.schemas[`Create${kind}`]?.properties ?? {});
      const { $defs: schemas } = configJsonSchema() as { $defs: Schemas };
      const known = Object.keys((schemas[`Config${kind}`] ?? schemas[`Create${kind}`])?.properties ?? {});
      expect(taken.length).toBeGreaterThan(3);
      expect(known).toEqual(expect.arrayContaining(taken.map((name) => (name === 'group_id' ? 'group' : name))));
    },
  );
});

describe('a start with TOLLGATE_CONFIG', () => {
  const GOOD = `version: 1
upstreams:
  - name: provider
    base_url: http://127.0.0.1:9
    credential: \${PROVIDER_CREDENTIAL}
groups:
  - name: team
    models: [gpt-*]
keys:
  - name: ann
    group: team
    secret: \${ANN_KEY}
`;

  it('applies the file before it listens, once among replicas that start together, and never without what it needs', async () => {
    const [database, secret] = [await createDatabase(), makeSecret()];
    const folder = temporaryFolder();
    const file = join(folder, 'tollgate.yaml');
    writeFileSync(file, GOOD);
    const env = { TOLLGATE_CONFIG: file, ANN_KEY: secret, PROVIDER_CREDENTIAL: 'sk-x' };
    const start = (own: Record<string, string> = {}) => TestGateway.start({ database, env: { ...env, ...own } });
    try {
      const replicas = await Promise.all([start(), start()]);
      for (const replica of replicas) {
        expect((await call(replica.url, callBody('hi', { model: 'other' }), { secret })).status).toBe(403);
      }
      expect(await entriesOf(replicas[0] as TestGateway)).toEqual([
        'config_file upstream.create',
        'config_file group.create',
        'config_file key.create',
      ]);
      await Promise.all(replicas.map((replica) => replica.stop()));
      const dump = () =>
        database.query('SELECT row_to_json(g) FROM groups g UNION ALL SELECT row_to_json(k) FROM api_keys k');
      const before = JSON.stringify(await dump());
      await expect(start({ ANN_KEY: '' })).rejects.toThrow(
        `${file}:12:5: keys.0.secret needs the variable ANN_KEY, which is not set`,
      );
      writeFileSync(file, GOOD.replace('models: [gpt-*]', 'models: [gpt-*]\n    colour: red'));
      await expect(start()).rejects.toThrow(`${file}:9:5: groups.0.colour is not a known field`);
      // Known only when the file is applied, behind a change that is taken back.
      writeFileSync(file, `${GOOD.replace('gpt-*', 'codex-*')}  - name: new\n    group: team\n`);
      await expect(start()).rejects.toThrow(`${file}:13:5: keys.1 must have a secret`);
      expect(JSON.stringify(await dump())).toBe(before);
    } finally {
      await database.drop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

type Schemas = Record<string, { properties?: object }>;
