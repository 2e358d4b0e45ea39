import type { InvitedOperator, Role } from '@app/contract';
import type { AdminAnswer } from './admin-client.js';
import type { TestGateway } from './gateway.js';

export const PASSWORD = 'correct horse battery staple';

/** Somebody who has signed in, in a browser of the console's own site. */
export class OperatorClient {
  private constructor(
    private readonly url: string,
    readonly cookie: string,
  ) {}

  /** The first owner of a gateway. */
  static async firstOwner({ url, setupToken: token }: TestGateway): Promise<OperatorClient> {
    return OperatorClient.setUp(url, { token, password: PASSWORD, name: 'Olga Owner', email: 'owner@example.com' });
  }

  /** Somebody whom this one invites. */
  async invite(role: Role, fields: object = {}): Promise<{ client: OperatorClient; operator: InvitedOperator }> {
    const email = `${role}-${Math.random().toString(36).slice(2, 10)}@example.com`;
    const answer = await this.call('POST', '/operators', { name: `A ${role}`, email, role, ...fields });
    if (answer.status !== 201) throw new Error(`no invitation: ${answer.status} ${JSON.stringify(answer.body)}`);
    const operator = answer.body as InvitedOperator;
    return {
      operator,
      client: await OperatorClient.setUp(this.url, { token: operator.setup_token, password: PASSWORD }),
    };
  }

  static async setUp(url: string, body: object): Promise<OperatorClient> {
    return OperatorClient.from(url, await send(url, 'POST', '/setup', body, {}));
  }

  static async signIn(url: string, email: string, password = PASSWORD): Promise<OperatorClient> {
    return OperatorClient.from(url, await send(url, 'POST', '/session', { email, password }, {}));
  }

  /** The same person at another replica. */
  at(url: string): OperatorClient {
    return new OperatorClient(url, this.cookie);
  }

  get(path: string): Promise<AdminAnswer> {
    return this.call('GET', path);
  }

  call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<AdminAnswer> {
    const own = { cookie: this.cookie, 'x-tollgate-csrf': '1', 'sec-fetch-site': 'same-origin' };
    return send(this.url, method, path, body, { ...own, ...headers });
  }

  private static from(url: string, { status, headers, body }: AdminAnswer): OperatorClient {
    const [cookie] = headers.getSetCookie();
    if (status >= 300 || !cookie) throw new Error(`not signed in: ${status} ${JSON.stringify(body)}`);
    return new OperatorClient(url, cookie.split(';', 1)[0] ?? '');
  }
}

/** A request to the admin API of whoever the headers say. */
export async function send(
  url: string,
  method: string,
  path: string,
  body: unknown,
  headers: Record<string, string>,
): Promise<AdminAnswer> {
  const isGiven = body !== undefined;
  const response = await fetch(`${url}/admin/v1${path}`, {
    method,
    headers: { ...(isGiven ? { 'content-type': 'application/json' } : {}), ...headers },
    ...(isGiven ? { body: typeof body === 'string' ? body : JSON.stringify(body) } : {}),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json');
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) : text };
}
