import { isIP } from 'node:net';
import type { Group, IssuedKey, Model, Upstream } from '@app/contract';
import { AdminApi, AdminRefusal } from './admin-api.js';
import { SelfTestError } from './expectations.js';

/** USD per million tokens, and per call: low, as they count in the totals of usage. */
export const PRICES = {
  input_per_million_usd: '0.02',
  cached_input_per_million_usd: '0.005',
  cache_write_per_million_usd: '0.025',
  output_per_million_usd: '0.08',
  reasoning_per_million_usd: '0.12',
  per_request_usd: '0.000001',
} as const;

/** What the limited group may use. */
export const LIMITED_REQUESTS = 1;
/** What the limited group is told when that is used up. */
export const LIMIT_MESSAGE = 'Ask the self-test for more';

/** Everything that a run makes in the gateway, by what it is for. */
export interface Made {
  readonly groupIds: readonly string[];
  /** Secrets. */
  readonly keys: Readonly<Record<'main' | 'other' | 'limited', string>>;
  /** `plain` is served by one upstream, `pair` by two providers, `retried` by two upstreams of one provider, `faulty` by one that fails. */
  readonly models: Readonly<Record<'plain' | 'pair' | 'retried' | 'faulty', string>>;
}

/** Where the simulated providers are, as the gateway reaches them. */
export interface ProviderUrls {
  readonly one: string;
  readonly other: string;
}

/** The groups, keys, upstreams and models of one run: made before the checks, removed behind them. */
export class TemporaryObjects {
  /** Paths of what has been made, in the order of its removal. */
  private readonly paths: Record<'upstreams' | 'models' | 'keys' | 'groups', string[]> = {
    upstreams: [],
    models: [],
    keys: [],
    groups: [],
  };

  /**
   * @param prefix begins all their names
   * @param signal no more is made once it is aborted
   */
  constructor(
    private readonly admin: AdminApi,
    private readonly prefix: string,
    private readonly signal: AbortSignal,
  ) {}

  /** Makes all of it. @throws SelfTestError that says what to set when the gateway may not reach the providers */
  async make(urls: ProviderUrls): Promise<Made> {
    // Switched off until models name them: an upstream that no model names serves everything.
    const one = await this.makeUpstream('one', urls.one);
    const other = await this.makeUpstream('other', urls.other);
    const faulty = await this.makeUpstream('faulty', urls.one);
    const models = {
      plain: await this.makeModel('plain', [one]),
      pair: await this.makeModel('pair', [one, other]),
      retried: await this.makeModel('retried', [one, faulty]),
      faulty: await this.makeModel('faulty', [faulty]),
    };
    for (const { id } of [one, other, faulty]) await this.admin.patch(`/upstreams/${id}`, { enabled: true });
    const window = { name: 'selftest', period: '5h', unit: 'requests', limit: LIMITED_REQUESTS };
    const limits = { windows: [window], soft_threshold_percent: null, limit_message: LIMIT_MESSAGE };
    const main = await this.makeKey('main');
    const foreign = await this.makeKey('other');
    const limited = await this.makeKey('limited', limits);
    return {
      groupIds: [main, foreign, limited].map(({ group_id: id }) => id),
      keys: { main: main.secret, other: foreign.secret, limited: limited.secret },
      models,
    };
  }

  /** Removes what has been made; returns what could not be removed, with the reason. */
  async remove(): Promise<string[]> {
    const left: string[] = [];
    const attempt = async (path: string, work: () => Promise<unknown>): Promise<void> => {
      try {
        await work();
      } catch (error) {
        left.push(`${path} (${(error as Error).message})`);
      }
    };
    const { upstreams, models, keys, groups } = this.paths;
    // Switched off first: without its models an upstream would serve everything until it is gone.
    for (const path of upstreams) await attempt(path, () => this.admin.patch(path, { enabled: false }));
    for (const path of [...models, ...upstreams, ...keys, ...groups]) {
      await attempt(path, () => this.admin.delete(path));
    }
    return [...new Set(left)];
  }

  private async makeUpstream(name: string, baseUrl: string): Promise<Upstream> {
    const fields = { base_url: baseUrl, enabled: false, cool_down_seconds_max: 0 };
    const upstream = await this.made<Upstream>('upstreams', name, fields).catch((error: unknown) => {
      throw addressRefusal(error, baseUrl) ?? error;
    });
    const probe = await this.admin.post<{ ok: boolean; problem: string | null }>(`/upstreams/${upstream.id}/test`);
    if (probe.ok) return upstream;
    throw new SelfTestError(
      `The gateway cannot reach the simulator at ${baseUrl}: ${probe.problem}. If the gateway is on another machine or in a container, say with --simulator-host how it reaches this one.`,
    );
  }

  private async makeModel(name: string, upstreams: readonly Upstream[]): Promise<string> {
    const fields = { upstreams: upstreams.map(({ id }) => ({ upstream_id: id })), prices: PRICES };
    return (await this.made<Model>('models', name, fields)).name;
  }

  private async makeKey(name: string, limits: object = {}): Promise<IssuedKey> {
    const group = await this.made<Group>('groups', name, {
      models: [`${this.prefix}-*`],
      description: 'Made by tollgate selftest, and removed by it',
      ...limits,
    });
    return this.made<IssuedKey>('keys', name, { group_id: group.id });
  }

  private async made<T extends { id: string }>(
    kind: keyof typeof this.paths,
    name: string,
    fields: object,
  ): Promise<T> {
    this.signal.throwIfAborted();
    const made = await this.admin.post<T>(`/${kind}`, { name: `${this.prefix}-${name}`, ...fields });
    this.paths[kind].push(`/${kind}/${made.id}`);
    return made;
  }
}

const PRIVATE_CIDRS = 'UPSTREAM_PRIVATE_CIDRS';

/** What to set when the gateway may not connect to where the simulator is; null when something else was wrong. */
function addressRefusal(error: unknown, baseUrl: string): SelfTestError | null {
  if (!(error instanceof AdminRefusal)) return null;
  const complaint = error.problem.errors?.find(({ path }) => path === 'base_url');
  if (!complaint) return null;
  const refusal = `The gateway may not call the simulator: ${baseUrl} ${complaint.message}.`;
  if (!complaint.message.includes(PRIVATE_CIDRS)) return new SelfTestError(refusal);
  const { hostname } = new URL(baseUrl);
  const cidr = isIP(hostname) === 4 ? `${hostname}/32` : `the network of ${hostname}`;
  return new SelfTestError(`${refusal} Start it with ${cidr} added to ${PRIVATE_CIDRS} for the time of the self-test.`);
}
