import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';

export const OIDC_CLIENT = { client_id: 'tollgate', client_secret: 'a secret of the tests, long enough' };
/** It has no secret. */
export const PUBLIC_CLIENT_ID = 'tollgate-public';
const MAX_STEPS = 12;

/** What the provider tells of an account. */
export interface Account {
  email?: string;
  email_verified?: boolean;
  name?: string;
}

/** A real OpenID provider on a port of its own; it answers nothing until it knows its clients. */
export class TestOidcProvider {
  private constructor(
    readonly issuer: string,
    private readonly process: ChildProcess,
  ) {}

  static async start(): Promise<TestOidcProvider> {
    const child = fork(join(__dirname, 'oidc-provider.mjs'), {
      stdio: 'ignore',
      env: { PATH: process.env.PATH },
      execArgv: [],
    });
    const [{ issuer }] = (await once(child, 'message')) as [{ issuer: string }];
    return new TestOidcProvider(issuer, child);
  }

  /** Knows its clients from now on. @param gatewayUrls where browsers may be led back to */
  async serve(gatewayUrls: string[]): Promise<void> {
    const redirectUris = gatewayUrls.map((url) => `${url}/admin/v1/oidc/callback`);
    await this.tell({
      clients: [
        { ...OIDC_CLIENT, redirect_uris: redirectUris, token_endpoint_auth_method: 'client_secret_post' },
        { client_id: PUBLIC_CLIENT_ID, redirect_uris: redirectUris, token_endpoint_auth_method: 'none' },
      ],
    });
  }

  async setAccounts(accounts: Record<string, Account>): Promise<void> {
    await this.tell({ accounts });
  }

  async stop(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const exited = once(this.process, 'exit');
    this.process.kill('SIGKILL');
    await exited;
  }

  private async tell(message: object): Promise<void> {
    const done = once(this.process, 'message');
    this.process.send(message);
    await done;
  }
}

export interface BrowserPage {
  url: string;
  status: number;
  headers: Headers;
  text: string;
}

/** Walks from page to page as a browser does, with the cookies of each host. */
export class Browser {
  private readonly jars = new Map<string, Map<string, string>>();

  /** One request, no redirect is followed. */
  async open(url: string): Promise<BrowserPage> {
    const jar = this.jarOf(url);
    const cookie = [...jar].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = { accept: 'text/html,application/xhtml+xml', ...(cookie ? { cookie } : {}) };
    const response = await fetch(url, { headers, redirect: 'manual' });
    for (const line of response.headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split(';');
      const [name = '', value = ''] = pair.split(/=(.*)/s);
      if (value === '' || attributes.some((one) => /^\s*max-age=0$/i.test(one))) jar.delete(name);
      else jar.set(name, value);
    }
    return { url, status: response.status, headers: response.headers, text: await response.text() };
  }

  /** Follows redirects, and signs in to the provider as this account, up to a page of `until` or one that leads nowhere. */
  async follow(start: string, account: string, until?: RegExp): Promise<BrowserPage> {
    let url = start;
    for (let step = 0; step < MAX_STEPS; step++) {
      if (until?.test(url)) return { url, status: 0, headers: new Headers(), text: '' };
      const page = await this.open(url);
      const location = page.headers.get('location');
      if (location) url = new URL(location, url).href;
      else if (page.text === 'Who are you?') url = `${url}?account=${account}`;
      else return page;
    }
    throw new Error(`no end of redirects: ${url}`);
  }

  /** A cookie of a host, or what is to take its place. */
  cookie(url: string, name: string): string | undefined {
    return this.jarOf(url).get(name);
  }

  setCookie(url: string, name: string, value: string): void {
    this.jarOf(url).set(name, value);
  }

  dropCookie(url: string, name: string): void {
    this.jarOf(url).delete(name);
  }

  private jarOf(url: string): Map<string, string> {
    const { host } = new URL(url);
    const jar = this.jars.get(host) ?? new Map<string, string>();
    this.jars.set(host, jar);
    return jar;
  }
}
