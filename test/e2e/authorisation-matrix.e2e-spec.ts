import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Problem, SessionDetail } from '../../libs/contract/src/index.js';
import type { Operation } from '../support/admin-operations.js';
import { SHARED_SESSION } from '../support/authorisation-callers.js';
import { type Case, expectedOf, fill, foreignIds, pathParameters } from '../support/authorisation-cases.js';
import { AuthorisationScene } from '../support/authorisation-scene.js';
import { curiousQueries } from '../support/developer-questions.js';
import { inParallel } from '../support/in-parallel.js';
import { LiveClient } from '../support/live-client.js';
import { call, callBody } from '../support/responses-client.js';
import { oddValues, wrongValues } from '../support/schema-values.js';

const MANY = '1000000';
const UNKNOWN_FIELD = 'field_of_nobody';
/** What needs more than the test has: a request that runs, the right password. Other tests see them work. */
const NOT_WORKED = [
  'POST /requests/{id}/abort',
  'POST /session/password',
  'DELETE /session',
  'POST /session/totp',
  'POST /session/totp/confirm',
  'DELETE /session/totp',
];
/** How those are answered that anybody may ask, with nothing in them. */
const OPEN: Readonly<Record<string, number>> = {
  'GET /oidc/callback': 400,
  'GET /oidc/login': 404,
  'GET /session/options': 200,
  'POST /session': 422,
  'POST /setup': 422,
};
const SIGN_OUT = 'DELETE /session';
const LIVE_TAIL = 'GET /requests/live';

let scene: AuthorisationScene;
let operations: Operation[];
let cases: Case[];
const tally = { asked: 0, unexpected: 0 };
/** Operations that have done for somebody what they are for. */
const worked = new Set<string>();

beforeAll(async () => {
  scene = await AuthorisationScene.start({
    ADMIN_FAILED_AUTHENTICATIONS_PER_MINUTE: MANY,
    SIGN_INS_PER_MINUTE: MANY,
    NODE_OPTIONS: `--import=${pathToFileURL(join(__dirname, '../support/print-routes.mjs')).href}`,
  });
  ({ operations } = scene.api);
  cases = operations.flatMap((operation) =>
    scene.callersFor(operation).map((caller) => ({ operation, caller, expected: expectedOf(operation, caller) })),
  );
});
afterAll(async () => {
  const callers = new Set(cases.map(({ operation }) => scene.callersFor(operation).length));
  const sizes = `${operations.length} operations × ${Math.max(...callers)} callers = ${cases.length} cases`;
  process.stdout.write(
    `authorisation matrix: ${sizes}, ${tally.asked} of them asked, ${tally.unexpected} unexpected\n`,
  );
  await scene.stop();
});

async function unexpectedAnswer({ operation, caller, expected }: Case): Promise<string[]> {
  const isAllowed = expected === 'allowed';
  const subject = isAllowed ? await scene.newSubject(operation.path, caller) : await scene.sharedSubject(operation);
  const keyId = isAllowed && operation.name === 'DELETE /bodies' ? await scene.newKeyId() : scene.own.key.id;
  const url = fill(operation.path, subject) + scene.queryOf(operation, keyId);
  const body = expected === 'open' ? {} : scene.bodyOf(operation);
  const { status, text } = await scene.ask(operation, url, caller.headers, body);
  const isExpected =
    expected === 'open'
      ? status === OPEN[operation.name] || (caller.isForged && status === 403)
      : isAllowed
        ? status < 500 && status !== 401 && status !== 403
        : status === expected;
  if (isAllowed && status < 300) worked.add(operation.name);
  return isExpected
    ? []
    : [`${caller.name}, ${operation.name}: ${status} in place of ${expected}: ${text.slice(0, 300)}`];
}

async function unexpectedOf(some: readonly Case[]): Promise<string[]> {
  const found = (await inParallel(some, unexpectedAnswer)).flat();
  tally.asked += some.length;
  tally.unexpected += found.length;
  return found;
}

describe('the description of the admin API', () => {
  it('has every route of the gateway below /admin/v1, and no other', () => {
    const routes = [...scene.gateway.output().matchAll(/^route: (\w+) \/admin\/v1(\/\S*)$/gm)]
      .filter(([, method, path]) => method !== 'HEAD' && !path?.startsWith('/openapi.'))
      .map(([, method, path]) => `${method} ${path?.replaceAll(/:(\w+)/g, '{$1}').replace(/\/$/, '')}`);
    expect(routes.length).toBeGreaterThan(80);
    expect([...new Set(routes)].toSorted()).toEqual(operations.map(({ name }) => name).toSorted());
  });

  it('names for each operation the permission that it asks for, and how to show who one is', () => {
    const open = operations.filter(({ permission }) => permission === null);
    expect(open.map(({ name }) => name).toSorted()).toEqual(Object.keys(OPEN));
    for (const { permission, security } of operations) {
      expect(security).toEqual(permission === null ? undefined : [{ bearer: [] }, { cookie: [] }]);
    }
    expect(scene.api.securitySchemes).toMatchObject({
      bearer: { type: 'http', scheme: 'bearer' },
      cookie: { type: 'apiKey', in: 'cookie', name: '__Host-tollgate' },
    });
  });
});

describe('an operation of the admin API', () => {
  it('refuses whoever may not, and nothing has changed', async () => {
    const before = await scene.state();
    // What is refused is made first, and stays.
    await inParallel(operations, (operation) => scene.sharedSubject(operation));
    const made = await scene.state();
    expect(made).not.toEqual(before);
    expect(await unexpectedOf(cases.filter(({ expected }) => expected !== 'allowed'))).toEqual([]);
    expect(await scene.state()).toEqual(made);
  });

  it('answers whoever may', async () => {
    const allowed = cases.filter(({ operation, expected }) => expected === 'allowed' && operation.name !== SIGN_OUT);
    expect(await unexpectedOf(allowed)).toEqual([]);
    const never = operations.filter(({ name, permission }) => permission !== null && !worked.has(name));
    expect(never.map(({ name }) => name).filter((name) => !NOT_WORKED.includes(name))).toEqual([]);
  });

  it('finds nothing by an id of nothing, or of something of another kind', async () => {
    const asked = operations.flatMap((operation) =>
      pathParameters(operation).flatMap((parameter) =>
        foreignIds(parameter, scene.own).map((id) => ({ operation, name: parameter.name, id })),
      ),
    );
    const answers = await inParallel(asked, async ({ operation, name, id }) => {
      const subject = { ...(await scene.sharedSubject(operation)), [name]: id };
      const { status, text } = await scene.askAsRoot(operation, fill(operation.path, subject), scene.bodyOf(operation));
      return status === 404 || status === 422 ? [] : [`${operation.name} of ${id.slice(0, 60)}: ${status} ${text}`];
    });
    expect(asked.length).toBeGreaterThan(100);
    expect(answers.flat()).toEqual([]);
  });

  it('takes no property that it does not know, and none of a wrong type', async () => {
    const { resolved } = scene.api;
    const asked = operations.flatMap((operation) => {
      const properties = Object.entries((operation.body && resolved(operation.body).properties) ?? {});
      if (properties.length === 0) return [];
      const wrong = properties.flatMap(([name, schema]) =>
        wrongValues(schema, resolved).map((value) => ({ operation, name, value })),
      );
      return [{ operation, name: UNKNOWN_FIELD, value: 1 as unknown }, ...wrong];
    });
    const answers = await inParallel(asked, async ({ operation, name, value }) => {
      const url =
        fill(operation.path, await scene.sharedSubject(operation)) + scene.queryOf(operation, scene.own.key.id);
      const { status, text } = await scene.askAsRoot(operation, url, { ...scene.bodyOf(operation), [name]: value });
      const isNamed = status === 422 && (JSON.parse(text) as Problem).errors?.some(({ path }) => path.startsWith(name));
      return isNamed ? [] : [`${operation.name}, ${name}=${JSON.stringify(value)}: ${status} ${text.slice(0, 300)}`];
    });
    expect(asked.length).toBeGreaterThan(500);
    expect(answers.flat()).toEqual([]);
  });

  it('never fails on what nobody would send', async () => {
    const { resolved } = scene.api;
    const asked = operations.flatMap((operation) => {
      const properties = Object.entries((operation.body && resolved(operation.body).properties) ?? {});
      const inBody = properties.flatMap(([name, schema]) =>
        oddValues(schema, resolved).map((value) => ({ [name]: value })),
      );
      const bodies = operation.body === null ? [] : [[], 'text', null, ...inBody];
      const queries = operation.parameters
        .filter((parameter) => parameter.in === 'query')
        .flatMap(({ name }) => [`?${name}=%00`, `?${name}=x`]);
      return [
        ...bodies.map((body) => ({ operation, body, query: '' })),
        ...[...queries, `?${UNKNOWN_FIELD}=1`, '?%ff=%ff'].map((query) => ({ operation, body: undefined, query })),
      ];
    });
    const answers = await inParallel(asked, async ({ operation, body, query }) => {
      const subject = await scene.oddSubject(operation);
      const isOne = body !== undefined && body !== null && typeof body === 'object' && !Array.isArray(body);
      const sent = isOne ? { ...scene.bodyOf(operation), ...body } : (body ?? scene.bodyOf(operation));
      const { status, text } = await scene.askAsRoot(operation, fill(operation.path, subject) + query, sent);
      const what = query || JSON.stringify(body).slice(0, 100);
      return status < 500 ? [] : [`${operation.name}, ${what}: ${status} ${text.slice(0, 300)}`];
    });
    expect(answers.flat()).toEqual([]);
  });
});

describe('a developer', () => {
  const reads = () => operations.filter(({ method, isOwn }) => method === 'GET' && isOwn);
  /** What nobody may see who sees only the first key. */
  const foreignText = () => {
    const { key, group, sessionId, requestIds } = scene.foreign;
    return [
      key.id,
      key.name,
      group.id,
      group.name,
      sessionId,
      ...requestIds,
      'foreign-',
      'owner@example.com',
      'for all but',
    ];
  };
  const leaksOf = (text: string) => foreignText().filter((one) => text.includes(one));

  it('reads his own, and nothing of others, whatever he asks for', async () => {
    const asked = reads()
      .filter(({ name }) => name !== LIVE_TAIL)
      .flatMap((operation) =>
        scene.developers.flatMap((caller) =>
          curiousQueries(operation, scene.own, scene.foreign).map((query) => ({ operation, caller, query })),
        ),
      );
    const seen = new Set<string>();
    const answers = await inParallel(asked, async ({ operation, caller, query }) => {
      const url = fill(operation.path, await scene.ownSubject(operation));
      const { status, text } = await scene.ask(operation, `${url}?${query}`, caller.headers);
      const leaks = leaksOf(text);
      if (query === '' && scene.own.requestIds.some((id) => text.includes(id))) seen.add(operation.name);
      const isFine = (status === 200 || (query !== '' && status === 422)) && leaks.length === 0;
      return isFine
        ? []
        : [`${caller.name}, ${operation.name}?${query}: ${status}, ${leaks.join()}: ${text.slice(0, 300)}`];
    });
    expect(asked.length).toBeGreaterThan(200);
    expect(answers.flat()).toEqual([]);
    for (const name of ['GET /requests', 'GET /requests/export', 'GET /sessions', 'GET /sessions/{id}/turns']) {
      expect([...seen]).toContain(name);
    }
  });

  it('finds no key, request, session or token of others', async () => {
    const foreign: Record<string, readonly string[]> = {
      keys: [scene.foreign.key.id],
      requests: scene.foreign.requestIds,
      sessions: [scene.foreign.sessionId],
      tokens: [(await scene.newSubject('/tokens/{id}')).id ?? ''],
    };
    const asked = operations
      .filter(({ isOwn }) => isOwn)
      .flatMap((operation) => (foreign[operation.path.split('/')[1] ?? ''] ?? []).map((id) => ({ operation, id })))
      .filter(({ operation }) => operation.path.includes('{id}'))
      .flatMap((one) => scene.developers.map((caller) => ({ ...one, caller })));
    const answers = await inParallel(asked, async ({ operation, id, caller }) => {
      const { status, text } = await scene.ask(operation, fill(operation.path, { id }), caller.headers);
      return status === 404 && leaksOf(text).length === 0
        ? []
        : [`${caller.name}, ${operation.name} of ${id}: ${status} ${text}`];
    });
    expect(asked.length).toBeGreaterThan(15);
    expect(answers.flat()).toEqual([]);
  });

  it('sees in a session that keys share his own requests only', async () => {
    const [caller] = scene.developers;
    const [read] = operations.filter(({ name }) => name === 'GET /sessions/{id}');
    if (!caller || !read) throw new Error('there is nobody to ask, or nothing to be asked');
    const { status, text } = await scene.ask(read, `/sessions/${SHARED_SESSION}`, caller.headers);
    const { session, data } = JSON.parse(text) as SessionDetail;
    expect([status, session.requests, session.keys, data.length, leaksOf(text)]).toEqual([200, 1, 1, 1, []]);
  });

  it('is told in the live tail of his own requests, and of no others', async () => {
    const queries = [
      '',
      `key=${scene.foreign.key.id}`,
      `after=${scene.foreign.requestIds[0]}`,
      `exclude_key=${scene.own.key.id}`,
    ];
    const tails = await Promise.all(
      queries.flatMap((query) =>
        scene.developers.map(({ headers }) => LiveClient.open(scene.gateway, query, undefined, headers)),
      ),
    );
    expect(new Set(tails.map(({ status }) => status))).toEqual(new Set([200]));
    for (const secret of [scene.foreign.secret, scene.own.secret]) {
      const { requestId } = await call(scene.gateway.url, callBody('hi', { stream: false }), { secret });
      if (secret === scene.own.secret) await tails[0]?.event(requestId);
      else await scene.gateway.row(requestId);
    }
    const told = tails.flatMap(({ events }) => events.map(({ data }) => JSON.stringify(data)));
    for (const tail of tails) tail.leave();
    expect(told.length).toBeGreaterThan(0);
    expect(told.flatMap(leaksOf)).toEqual([]);
  });
});

describe('a session of whatever role', () => {
  it('is signed out by whoever has it, and by nobody else', async () => {
    const signOuts = cases.filter(({ operation, expected }) => operation.name === SIGN_OUT && expected === 'allowed');
    expect(await unexpectedOf(signOuts)).toEqual([]);
    expect(worked).toContain(SIGN_OUT);
  });
});
