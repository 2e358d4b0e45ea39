import type { Problem } from '@app/contract';
import { SelfTestError } from './expectations.js';

/** What the admin API answered when it refused. */
export class AdminRefusal extends SelfTestError {
  constructor(
    readonly status: number,
    readonly problem: Partial<Problem>,
    call: string,
  ) {
    const [first] = problem.errors ?? [];
    const detail = first ? `${first.path} ${first.message}` : (problem.detail ?? 'no reason given');
    super(`The gateway refused ${call} with ${status}: ${detail}`);
  }
}

/** The admin API of the gateway under test. */
export class AdminApi {
  constructor(
    private readonly url: string,
    private readonly token: string,
  ) {}

  get<T>(path: string): Promise<T> {
    return this.call('GET', path);
  }

  post<T>(path: string, body?: object): Promise<T> {
    return this.call('POST', path, body);
  }

  patch<T>(path: string, body: object): Promise<T> {
    return this.call('PATCH', path, body);
  }

  /** Deletes what is there; what is gone already counts as deleted. */
  async delete(path: string): Promise<void> {
    try {
      await this.call('DELETE', path);
    } catch (error) {
      if (!(error instanceof AdminRefusal && error.status === 404)) throw error;
    }
  }

  /** @throws AdminRefusal; SelfTestError when there is no gateway, or it does not take the token */
  private async call<T>(method: string, path: string, body?: object): Promise<T> {
    const answer = await this.answer(method, path, body);
    const text = await answer.text();
    if (answer.status === 401)
      throw new SelfTestError(`The gateway at ${this.url} does not take this admin token (401).`);
    if (!answer.ok) throw new AdminRefusal(answer.status, parsed(text) as Partial<Problem>, `${method} ${path}`);
    return (text === '' ? null : parsed(text)) as T;
  }

  private async answer(method: string, path: string, body?: object): Promise<Response> {
    const headers = { authorization: `Bearer ${this.token}` };
    try {
      return await fetch(`${this.url}/admin/v1${path}`, {
        method,
        headers: body ? { ...headers, 'content-type': 'application/json' } : headers,
        ...(body ? { body: JSON.stringify(body) } : {}),
      });
    } catch (error) {
      const { cause, message } = error as Error & { cause?: { code?: string; message?: string } };
      throw new SelfTestError(`No gateway answers at ${this.url} (${cause?.code ?? cause?.message ?? message}).`);
    }
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
