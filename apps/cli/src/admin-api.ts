import type { Page, Problem } from '@app/contract';
import { CommandFailure } from './command-failure.js';

const PAGE_ROWS = 200;

/** A refusal of the admin API. */
export class ApiProblem extends Error {
  constructor(readonly problem: Problem) {
    super(problem.detail);
  }

  /** For people: what is wrong, and each field at fault when there are several. */
  get text(): string {
    const { detail, errors = [] } = this.problem;
    const lines = errors.length > 1 ? errors.map(({ path, message }) => `  ${path} ${message}`) : [];
    return [detail, ...lines].join('\n');
  }
}

/** The admin API of a gateway. */
export class AdminApi {
  constructor(
    readonly url: string,
    private readonly token: string | null,
  ) {}

  /** @throws ApiProblem, CommandFailure when nobody answers */
  async call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const response = await this.fetch(path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    });
    const text = await response.text();
    return (text === '' ? null : parsed(text)) as T;
  }

  get<T>(path: string): Promise<T> {
    return this.call('GET', path);
  }

  async text(path: string): Promise<string> {
    return (await this.fetch(path, {})).text();
  }

  /** Lines of a stream of server-sent events, until it ends. */
  async *lines(path: string, headers: Record<string, string> = {}): AsyncGenerator<string> {
    const response = await this.fetch(path, { headers });
    const decoder = new TextDecoder();
    let rest = '';
    for await (const chunk of response.body ?? []) {
      const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      yield* lines;
    }
  }

  /** All of a list. */
  async all<T>(path: string): Promise<T[]> {
    const found: T[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const query = new URLSearchParams({ limit: String(PAGE_ROWS), ...(cursor ? { cursor } : {}) });
      const page: Page<T> = await this.get(`${path}?${query}`);
      found.push(...page.data);
      cursor = page.next_cursor;
    }
    return found;
  }

  private async fetch(path: string, init: RequestInit): Promise<Response> {
    if (this.token === null) {
      throw new CommandFailure(
        'no admin token: set TOLLGATE_ADMIN_TOKEN or give --token. It was printed at the first start of the gateway; when it is lost, docs/operators.md says how to get another',
      );
    }
    const headers = { ...init.headers, authorization: `Bearer ${this.token}` };
    const response = await fetch(`${this.url}/admin/v1${path}`, { ...init, headers }).catch((error: Error) => {
      const reason = (error.cause as Error | undefined)?.message || error.message;
      throw new CommandFailure(`no gateway answers at ${this.url} (${reason}): is it running, is --url right?`);
    });
    if (response.ok) return response;
    const problem = parsed(await response.text()) as Partial<Problem> | null;
    if (typeof problem?.detail === 'string') throw new ApiProblem(problem as Problem);
    throw new CommandFailure(`${this.url} answers ${response.status}, and not as a Tollgate does: is --url right?`);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
