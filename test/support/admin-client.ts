import type { Group, IssuedKey, Upstream } from '@app/contract';

export interface AdminAnswer {
  status: number;
  headers: Headers;
  body: unknown;
}

/** Talks to the admin API as a script would. */
export class AdminClient {
  constructor(
    private readonly url: () => string,
    private readonly token: string,
  ) {}

  get(path: string, headers?: Record<string, string>): Promise<AdminAnswer> {
    return this.call('GET', path, undefined, headers);
  }

  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<AdminAnswer> {
    return this.call('POST', path, body, headers);
  }

  patch(path: string, body: unknown, headers?: Record<string, string>): Promise<AdminAnswer> {
    return this.call('PATCH', path, body, headers);
  }

  delete(path: string, headers?: Record<string, string>): Promise<AdminAnswer> {
    return this.call('DELETE', path, undefined, headers);
  }

  /** Makes something that must succeed. */
  async create<T>(path: string, body: unknown): Promise<T> {
    const answer = await this.post(path, body);
    if (answer.status !== 201) throw new Error(`POST ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
    return answer.body as T;
  }

  /** A group and a key in it, each with fields of their own, and optionally the upstream that serves them: what most tests need. */
  async issueKey(options: IssueOptions = {}): Promise<Issued> {
    const { models = ['*'], upstreamBaseUrl, kind = 'openai' } = options;
    const suffix = Math.random().toString(36).slice(2, 10);
    const group = await this.create<Group>('/groups', { name: `group-${suffix}`, models, ...options.group });
    const key = await this.create<IssuedKey>('/keys', { name: `key-${suffix}`, group_id: group.id, ...options.key });
    const upstream = upstreamBaseUrl
      ? await this.create<Upstream>('/upstreams', { name: `upstream-${suffix}`, kind, base_url: upstreamBaseUrl })
      : null;
    return { group, key, secret: key.secret, upstream };
  }

  private async call(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<AdminAnswer> {
    const response = await fetch(`${this.url()}/admin/v1${path}`, {
      method,
      headers: {
        authorization: `Bearer ${this.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: text === '' ? null : JSON.parse(text) };
  }
}

export interface IssueOptions {
  models?: string[];
  group?: object;
  key?: object;
  upstreamBaseUrl?: string;
  kind?: string;
}

export interface Issued {
  group: Group;
  key: IssuedKey;
  secret: string;
  upstream: Upstream | null;
}
