import { once } from 'node:events';
import pg from 'pg';
import { Client } from 'undici';
import { directive, Simulator } from '../../apps/simulator/src/simulator.js';
import { eventually } from '../support/eventually.js';
import { TestGateway } from '../support/gateway.js';
import { MODEL } from '../support/parity-mix.js';
import { CallingClients } from '../support/request-ledger.js';
import { call } from '../support/responses-client.js';
import { differing, rowParity } from '../support/row-parity.js';

const REQUESTS = 400;
const AT_ONCE = 256;
const CALLS_OF_A_CONNECTION = 100;

let gateway: TestGateway;
let simulator: Simulator;

beforeAll(async () => {
  [gateway, simulator] = await Promise.all([TestGateway.start(), Simulator.start({ exchangesMax: Infinity })]);
});
afterAll(async () => {
  await gateway.stop();
  await simulator.close();
});

const connections = (pool: string, state: string) =>
  gateway.metric(`tollgate_database_connections{pool="${pool}",state="${state}"}`);
const until = (what: string, isSo: () => Promise<boolean>) =>
  eventually(what, async () => ((await isSo()) ? true : undefined));
/** Until its end. */
async function lockOfTheLog(): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: gateway.database.url });
  await client.connect();
  await client.query('BEGIN; LOCK TABLE request_log IN ACCESS EXCLUSIVE MODE');
  return client;
}
const bodyOf = (fields: object = {}) =>
  JSON.stringify({ model: MODEL, input: `hi ${directive({ deltas: 1 })}`, store: false, ...fields });

describe('a log into which nothing can be written', () => {
  it('is in the way of no call, and has all of them afterwards, once, with what the upstream billed', async () => {
    const lock = await lockOfTheLog();
    let question: Promise<unknown> = Promise.resolve();
    const meanwhile = async () => {
      await until('rows that wait', async () => (await gateway.metric('tollgate_log_rows_pending')) >= REQUESTS);
      question = gateway.admin.get('/requests');
      await until('a question that waits', async () => (await connections('questions', 'in_use')) === 1);
      await until('a batch that waits', async () => (await connections('main', 'in_use')) > 0);
      await lock.end();
    };
    const options = { requests: REQUESTS, concurrency: AT_ONCE, faults: 0.4, meanwhile };
    const parity = await rowParity({ gateway, simulator }, options).finally(() => lock.end());
    await question;
    expect(differing(parity)).toEqual([]);
    const outcomes = ['ok', 'client_left', 'upstream_broke_off', 'upstream_error', 'client_error'];
    const refused = ['unauthenticated', 'forbidden', 'limited'];
    expect(Object.keys(parity.outcomes).toSorted()).toEqual([...outcomes, ...refused].toSorted());
    expect(parity.triedAgain).toBeGreaterThan(0);
    await until('idle connections', async () => (await connections('main', 'in_use')) === 0);
    expect(await connections('main', 'waiting')).toBe(0);
  });
});

describe('an id that the client gives its requests', () => {
  it('may come again, with the same key or another: each request has a row of its own', async () => {
    const headers = { 'x-client-request-id': 'again' };
    const keys = [await gateway.admin.issueKey(), await gateway.admin.issueKey()];
    const answers = [];
    for (const { secret } of [...keys, ...keys]) {
      answers.push(await call(gateway.url, bodyOf(), { secret, headers }));
    }
    const rows = await Promise.all(answers.map(({ requestId }) => gateway.row(requestId)));
    expect(rows.map((row) => row.client_request_id)).toEqual(answers.map(() => 'again'));
    expect(new Set(rows.map(({ id }) => id)).size).toBe(4);
  });
});

describe('a connection that is kept alive', () => {
  it('serves call after call without listeners that stay behind', async () => {
    const { secret } = await gateway.admin.issueKey();
    const client = new Client(gateway.url);
    const path = '/v1/responses';
    const headers = { authorization: `Bearer ${secret}`, 'content-type': 'application/json' };
    for (let n = 0; n < CALLS_OF_A_CONNECTION; n++) {
      const answer = await client.request({ method: 'POST', path, headers, body: bodyOf({ stream: n % 2 === 0 }) });
      expect(answer.statusCode).toBe(200);
      await answer.body.dump();
    }
    await client.close();
    // Node warns of the eleventh listener of a kind.
    expect(gateway.output()).not.toMatch(/MaxListeners/);
  });
});

describe('SIGTERM under load', () => {
  it('leaves a row for every call that an upstream got, and for every answer', async () => {
    const { secret } = await gateway.admin.issueKey();
    const clients = new CallingClients(secret, { deltas: 4, delayMs: 20 });
    const busy = clients.keepBusy(gateway.url, 60);
    await eventually('answers', () => clients.calls.length > 60 || undefined);
    const exited = once(gateway.process, 'exit');
    gateway.process.kill('SIGTERM');
    const [code] = (await exited) as [number];
    expect({ code, output: code === 0 ? '' : gateway.output() }).toEqual({ code: 0, output: '' });
    clients.stop();
    await busy;
    await clients.close();
    const rows = await gateway.database.query<{ id: string; attempts: number; outcome: string }>(
      `SELECT 'req_' || replace(id::text, '-', '') AS id, attempts, outcome FROM request_log`,
    );
    expect(rows.reduce((all, { attempts }) => all + attempts, 0)).toBe(simulator.exchanges.length);
    const ids = new Set(rows.map(({ id }) => id));
    const told = clients.calls.filter(({ requestId }) => requestId !== null);
    expect(told.filter(({ requestId }) => !ids.has(requestId ?? ''))).toEqual([]);
    // What had begun was not cut.
    expect(told.filter(({ status, isWhole }) => status === 200 && !isWhole)).toEqual([]);
  });
});
