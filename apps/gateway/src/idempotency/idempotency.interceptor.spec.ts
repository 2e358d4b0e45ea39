import { type CallHandler, type ExecutionContext, Logger } from '@nestjs/common';
import { defer, lastValueFrom } from 'rxjs';
import { Clock } from '@app/runtime';
import type { AdminProblem } from '../http/admin-problem.js';
import { IdempotencyInterceptor } from './idempotency.interceptor.js';
import type { Claim, ClaimResult, IdempotencyKeys, KeptAnswer, KeyedRequest } from './idempotency-keys.js';

/** The table in memory, that fails where a test says so. */
class Table {
  readonly kept: KeptAnswer[] = [];
  readonly asked: KeyedRequest[] = [];
  renewed = 0;
  released = 0;
  isAway = false;

  constructor(private readonly results: ClaimResult['is'][]) {}

  async claim(request: KeyedRequest): Promise<ClaimResult> {
    this.asked.push(request);
    const is = this.results.shift() ?? 'running';
    if (is === 'claimed') return { is, claim: { request, id: 'claim' } };
    return is === 'answered' ? { is, answer: { status: 201, headers: { etag: '"1"' }, body: 'kept' } } : { is };
  }

  async renew(): Promise<void> {
    this.renewed++;
    this.fail();
  }

  async answer(_: Claim, answer: KeptAnswer): Promise<void> {
    this.fail();
    this.kept.push(answer);
  }

  async release(): Promise<void> {
    this.released++;
    this.fail();
  }

  private fail(): void {
    if (this.isAway) throw new Error('PostgreSQL is away');
  }
}

class Reply {
  statusCode = 201;
  readonly sent: Record<string, string> = { etag: '"7"', 'x-request-id': 'req_1' };

  code(status: number): this {
    this.statusCode = status;
    return this;
  }

  headers(headers: Record<string, string>): this {
    Object.assign(this.sent, headers);
    return this;
  }

  hasHeader = (name: string) => name in this.sent;
  getHeader = (name: string) => this.sent[name];
}

interface Exchange {
  method?: string;
  actor?: string;
  key?: string[];
  handle?: () => Promise<unknown>;
}

function run(
  table: Table,
  { method = 'POST', actor = 'ann', key = ['k'], handle = async () => 'done' }: Exchange = {},
) {
  const reply = new Reply();
  const request = {
    method,
    url: '/admin/v1/keys',
    body: { a: 1 },
    principal: { actor },
    raw: { headersDistinct: key.length > 0 ? { 'idempotency-key': key } : {} },
  };
  const context = { switchToHttp: () => ({ getRequest: () => request, getResponse: () => reply }) };
  const interceptor = new IdempotencyInterceptor(table as unknown as IdempotencyKeys, new Clock());
  const handler: CallHandler = { handle: () => defer(handle) };
  const answer = async () =>
    lastValueFrom(interceptor.intercept(context as unknown as ExecutionContext, handler), { defaultValue: undefined });
  return { reply, answer: answer() };
}

beforeAll(() => Logger.overrideLogger(false));

describe('a request with an Idempotency-Key', () => {
  it('is told from others by its caller, method, URL and body', async () => {
    const table = new Table(['claimed']);
    await run(table, { actor: 'bob' }).answer;
    expect(table.asked).toEqual([
      { actor: 'bob', key: 'k', content: JSON.stringify(['POST', '/admin/v1/keys', { a: 1 }]) },
    ]);
  });

  it('leaves the answer, with the headers that matter', async () => {
    const table = new Table(['claimed']);
    expect(await run(table).answer).toBe('done');
    expect(table.kept).toEqual([{ status: 201, headers: { etag: '"7"' }, body: 'done' }]);
    expect(table.released).toBe(0);
  });

  it('is let go of when it is refused or fails, and tells why', async () => {
    const table = new Table(['claimed']);
    const failed = run(table, { handle: () => Promise.reject(new Error('refused')) });
    await expect(failed.answer).rejects.toThrow('refused');
    expect([table.kept, table.released]).toEqual([[], 1]);
  });

  it('is answered as it went when that cannot be noted any more', async () => {
    const [table, other] = [new Table(['claimed']), new Table(['claimed'])];
    table.isAway = other.isAway = true;
    expect(await run(table).answer).toBe('done');
    await expect(run(other, { handle: () => Promise.reject(new Error('refused')) }).answer).rejects.toThrow('refused');
  });

  it('waits for its twin, and gets its answer', async () => {
    const table = new Table(['running', 'running', 'answered']);
    const { reply, answer } = run(table, { handle: () => Promise.reject(new Error('twice')) });
    expect(await answer).toBe('kept');
    expect(reply.sent).toMatchObject({ etag: '"1"', 'idempotency-replayed': 'true' });
  });

  it('is performed when the twin that it waited for was refused', async () => {
    const table = new Table(['running', 'claimed']);
    expect(await run(table).answer).toBe('done');
    expect(table.kept).toHaveLength(1);
  });

  it('is not performed when the key is that of another', async () => {
    const { answer } = run(new Table(['reused']), { handle: () => Promise.reject(new Error('performed')) });
    await expect(answer).rejects.toMatchObject({
      status: 422,
      code: 'idempotency_key_reused',
    } satisfies Partial<AdminProblem>);
  });
});

describe('a request that takes long', () => {
  beforeEach(() => jest.useFakeTimers());
  afterEach(() => jest.useRealTimers());

  it('keeps its claim until it is answered, also while PostgreSQL is away for a moment', async () => {
    const table = new Table(['claimed']);
    let finish: (answer: string) => void = () => undefined;
    const { answer } = run(table, { handle: () => new Promise((resolve) => (finish = resolve)) });
    table.isAway = true;
    await jest.advanceTimersByTimeAsync(45_000);
    table.isAway = false;
    await jest.advanceTimersByTimeAsync(45_000);
    expect(table.renewed).toBe(4);
    finish('done');
    expect(await answer).toBe('done');
    await jest.advanceTimersByTimeAsync(45_000);
    expect(table.renewed).toBe(4);
  });

  it('has its twins told to come again', async () => {
    const refused = run(new Table([])).answer.catch((error: unknown) => error);
    await jest.advanceTimersByTimeAsync(10_000);
    expect(await refused).toMatchObject({
      status: 409,
      code: 'idempotency_request_in_progress',
      retryAfterSeconds: 1,
    });
  });
});

describe('a request that is none of these', () => {
  it.each<[string, Exchange]>([
    ['without a key', { key: [] }],
    ['with a key, but another method', { method: 'DELETE' }],
  ])('goes its way: %s', async (_, exchange) => {
    const table = new Table([]);
    expect(await run(table, exchange).answer).toBe('done');
    expect(table.asked).toEqual([]);
  });

  it.each<string[][]>([[['']], [['a', 'b']], [['k'.repeat(256)]], [['é']], [['a\tb']]])(
    'is refused: a key of %j',
    async (key) => {
      const table = new Table(['claimed']);
      await expect(run(table, { key }).answer).rejects.toMatchObject({ status: 400, code: 'invalid_header' });
      expect(table.asked).toEqual([]);
    },
  );
});
