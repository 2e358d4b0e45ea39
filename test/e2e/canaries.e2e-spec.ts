import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { ServerResponse } from 'node:http';
import { createDatabase, type TestDatabase } from '../support/database.js';
import { eventually } from '../support/eventually.js';
import { ADMIN_TOKEN, MASTER_KEY, temporaryFolder, TestGateway } from '../support/gateway.js';
import { leavingCall } from '../support/leaving-client.js';
import { call, type CallOptions } from '../support/responses-client.js';
import { ScriptedUpstream } from '../support/scripted-upstream.js';

const MODEL = 'gpt-5.5';
const canary = () => `canary${randomBytes(10).toString('hex')}`;

/** What nobody but its owner may find again, by whose it is. */
const CANARIES = {
  prompt: canary(),
  answer: canary(),
  credential: canary(),
  wrongKey: canary(),
  wrongAdminToken: canary(),
  query: canary(),
  cookie: canary(),
  gitRemote: canary(),
  workingDirectory: canary(),
  databasePassword: '',
  webhookSecret: '',
  apiKey: '',
};

let database: TestDatabase;
let gateway: TestGateway;
let upstream: ScriptedUpstream;
let options: CallOptions & { secret: string };
const outputs: (() => string)[] = [];
const dataDir = temporaryFolder();

async function start(): Promise<void> {
  const env = { DATABASE_URL: database.url, DATA_DIR: dataDir, LOG_LEVEL: 'trace' };
  gateway = await TestGateway.start({ database, env });
  outputs.push(gateway.output);
}

beforeAll(async () => {
  [database, upstream] = await Promise.all([createDatabase(), ScriptedUpstream.start()]);
  CANARIES.databasePassword = new URL(database.url).password;
  await start();
  const webhook = await gateway.admin.create<{ secret: string }>('/webhooks', {
    name: 'ops',
    url: upstream.url,
    types: [],
  });
  await gateway.admin.create('/upstreams', {
    name: 'only',
    base_url: upstream.url,
    credential: `sk-up-${CANARIES.credential}`,
    headers_timeout_ms: 2_000,
  });
  const { secret } = await gateway.admin.issueKey();
  CANARIES.webhookSecret = webhook.secret;
  CANARIES.apiKey = secret;
  options = {
    secret,
    path: `/v1/responses?trace=${CANARIES.query}`,
    headers: {
      cookie: `session=${CANARIES.cookie}`,
      'x-codex-turn-metadata': JSON.stringify({
        cwd: `/home/ann/${CANARIES.workingDirectory}`,
        git: { remote: `https://ann:${CANARIES.gitRemote}@git.example.com/x.git` },
      }),
      'session-id': '01a202ed-f389-7702-ab97-15c928fff61f',
    },
  };
});
afterAll(async () => {
  await gateway.stop();
  await upstream.close();
  await database.drop();
  rmSync(dataDir, { recursive: true, force: true });
});

const body = (fields: object = {}) =>
  JSON.stringify({ model: MODEL, input: `the secret is ${CANARIES.prompt}`, instructions: CANARIES.prompt, ...fields });

/** An upstream that repeats what it was sent, as some do. */
function talkative(response: ServerResponse, status: number): void {
  const sent = `Bearer sk-up-${CANARIES.credential}`;
  const message =
    `Incorrect API key provided: sk-up-${CANARIES.credential}. Headers: authorization: ${sent}, ` +
    `see https://support.example.com/?key=${CANARIES.credential}; password=${CANARIES.credential}`;
  const error = { message, type: 'invalid_request_error', code: 'refused', param: null };
  response.writeHead(status, { 'content-type': 'application/json', 'set-cookie': `id=${CANARIES.cookie}` });
  response.end(JSON.stringify({ error }));
}

function successful(response: ServerResponse): void {
  const content = [{ type: 'output_text', text: CANARIES.answer, annotations: [] }];
  const output = [{ type: 'message', id: 'msg_1', role: 'assistant', status: 'completed', content }];
  const usage = { input_tokens: 5, output_tokens: 2, total_tokens: 7 };
  response.writeHead(200, { 'content-type': 'application/json' });
  response.end(JSON.stringify({ id: 'resp_1', object: 'response', status: 'completed', model: MODEL, output, usage }));
}

function streaming(response: ServerResponse): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const data = { type: 'response.output_text.delta', sequence_number: 1, delta: CANARIES.answer };
  response.write(`event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`);
}

/** Where it was found, by whose it is. */
function leaks(
  places: Readonly<Record<string, string>>,
  canaries: Readonly<Record<string, string>> = CANARIES,
): string[] {
  return Object.entries(places).flatMap(([place, text]) =>
    Object.entries(canaries)
      .filter(([, value]) => text.includes(value))
      .map(([name]) => `${name} in ${place}`),
  );
}

function journal(): string {
  const folder = join(dataDir, 'journal');
  const files = readdirSync(folder, { withFileTypes: true, recursive: true }).filter((entry) => entry.isFile());
  return files.map(({ parentPath, name }) => readFileSync(join(parentPath, name), 'latin1')).join('\n');
}

async function everyTable(): Promise<Record<string, string>> {
  const tables = await database.query<{ name: string }>(
    `SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind = 'r' AND n.nspname = 'public'`,
  );
  const texts: Record<string, string> = {};
  for (const { name } of tables) {
    const rows = await database.query<{ text: string }>(`SELECT string_agg(t::text, ' ') AS text FROM ${name} t`);
    texts[`table ${name}`] = rows[0]?.text ?? '';
  }
  return texts;
}

async function everyAdminAnswer(): Promise<Record<string, string>> {
  const { paths } = (await gateway.admin.get('/openapi.json')).body as { paths: Record<string, { get?: unknown }> };
  // The live tail has no end, and tells what the list tells.
  const isWhole = (path: string) => !path.includes('{') && !path.endsWith('/live');
  const routes = Object.keys(paths).filter((path) => paths[path]?.get && isWhole(path));
  expect(routes.length).toBeGreaterThan(10);
  const texts: Record<string, string> = {};
  for (const route of routes) {
    const answer = await call(gateway.url, null, { secret: ADMIN_TOKEN, path: route, method: 'GET' });
    texts[route] = answer.body.toString();
  }
  return texts;
}

it('no secret is found in logs, journal, database, metrics or admin answers, whatever becomes of the requests', async () => {
  const { url } = gateway;
  // Success, as JSON and as a stream that breaks off behind its first words.
  upstream.behave = successful;
  expect((await call(url, body(), options)).body.toString()).toContain(CANARIES.answer);
  upstream.behave = (response) => {
    streaming(response);
    setImmediate(() => response.destroy());
  };
  await call(url, body({ stream: true }), options);
  // 4xx and 5xx, whose texts go to the log.
  const statuses = [400, 401, 403, 404, 422, 429, 500, 503];
  for (const status of statuses) {
    upstream.behave = (response) => talkative(response, status);
    await call(url, body(), options);
    const id = ((await gateway.admin.get('/upstreams')).body as { data: { id: string }[] }).data[0]?.id;
    await gateway.admin.post(`/upstreams/${id}/reset`);
  }
  upstream.behave = (response) =>
    response.writeHead(502, { 'content-type': 'text/html' }).end(`<p>${CANARIES.credential}`);
  await call(url, body(), options);
  // What is refused by the gateway itself.
  await call(url, body(), { ...options, secret: `sk-${CANARIES.wrongKey}` });
  await call(url, `{"model": "${CANARIES.prompt}`, options);
  await call(url, body({ model: 'none', stream: CANARIES.prompt }), options);
  await call(url, null, { ...options, method: 'GET', path: `/v1/nothing?x=${CANARIES.query}` });
  await call(url, null, {
    secret: CANARIES.wrongAdminToken,
    method: 'GET',
    path: `/admin/v1/keys?name=${CANARIES.query}`,
  });
  // A timeout, and a client that leaves.
  upstream.behave = () => undefined;
  expect((await call(url, body(), options)).status).toBe(504);
  upstream.behave = streaming;
  await leavingCall(url, body({ stream: true }), { secret: options.secret, afterMs: 50 });
  // A crash.
  const asked = upstream.nextCall();
  const cut = call(url, body({ stream: true }), options).catch(() => undefined);
  await asked;
  expect(leaks({ 'journal of a running gateway': journal() })).toEqual([]);
  gateway.process.kill('SIGKILL');
  await cut;
  expect(leaks({ 'journal behind a crash': journal() })).toEqual([]);
  await start();
  await eventually('the row of the crash', async () => {
    const { body: page } = await gateway.admin.get('/requests?outcome=gateway_crash');
    return (page as { data: unknown[] }).data.length > 0 ? true : undefined;
  });

  const rows = await database.query<{ count: string; told: string }>(
    'SELECT count(*), count(error_message) AS told FROM request_log',
  );
  expect(Number(rows[0]?.count)).toBeGreaterThanOrEqual(statuses.length + 9);
  expect(Number(rows[0]?.told)).toBeGreaterThanOrEqual(statuses.length);
  const places = {
    'process log': outputs.map((output) => output()).join('\n'),
    journal: journal(),
    metrics: await (await fetch(`${gateway.url}/metrics`)).text(),
    ...(await everyTable()),
    ...(await everyAdminAnswer()),
  };
  expect(leaks(places)).toEqual([]);
  expect(leaks(places, { adminToken: ADMIN_TOKEN, masterKey: MASTER_KEY })).toEqual([]);
});

it('nor in what a start says that does not succeed', async () => {
  const env = { DATABASE_URL: `postgresql://app:${CANARIES.databasePassword}@127.0.0.1:9/x` };
  const failed = TestGateway.start({ database, env }).catch((error: Error) => error.message);
  expect(leaks({ 'its last words': String(await failed) })).toEqual([]);
  expect(await failed).toContain('127.0.0.1:9');
});
