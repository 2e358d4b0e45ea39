import { isIP } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Request } from '@app/contract';
import { type Exchange, Simulator } from '../../../simulator/src/simulator.js';
import { AdminApi, AdminRefusal } from './admin-api.js';
import { CheckFailed, SelfTestError } from './expectations.js';
import { GatewayClient } from './gateway-client.js';
import { type Made, TemporaryObjects } from './temporary-objects.js';

/** How a run reaches the gateway, and the gateway the run. */
export interface BenchOptions {
  readonly url: string;
  readonly token: string;
  /** How the gateway reaches this machine. Default: it is on the same one. */
  readonly simulatorHost?: string | undefined;
  /** SSE_KEEP_ALIVE_SECONDS of the gateway. */
  readonly keepAliveSeconds: number;
  /** What every time limit is multiplied by. */
  readonly patience: number;
}

const LOOPBACK = '127.0.0.1';
const ASK_EVERY_MS = 100;
const ROW_WAIT_MS = 15_000;
/** Replicas learn within two seconds of what has been made. */
const READY_WAIT_MS = 10_000;
/** So many answers in a row, each on a connection of its own, and every replica behind a balancer will have been asked. */
const READY_ANSWERS = 6;

interface BenchParts {
  readonly prefix: string;
  readonly admin: AdminApi;
  readonly client: GatewayClient;
  readonly keepAliveSeconds: number;
  readonly patience: number;
  readonly signal: AbortSignal;
  readonly providers: { readonly one: Simulator; readonly other: Simulator };
  readonly objects: TemporaryObjects;
  readonly made: Made;
}

/** What the checks work with: two simulated providers, the gateway, and what was made in it for this run. */
export class Bench {
  private constructor(private readonly parts: BenchParts) {}

  /**
   * Starts the providers and makes what the checks need; whatever goes wrong, nothing is left behind.
   *
   * @throws SelfTestError when the checks cannot run
   */
  static async open(
    { url, token, simulatorHost, keepAliveSeconds, patience }: BenchOptions,
    signal: AbortSignal,
  ): Promise<Bench> {
    const admin = new AdminApi(url, token);
    const prefix = `selftest-${Math.random().toString(36).slice(2, 8)}`;
    const objects = new TemporaryObjects(admin, prefix, signal);
    // A gateway elsewhere comes in by another interface.
    const host = simulatorHost === undefined ? LOOPBACK : '0.0.0.0';
    const providers = {
      one: await Simulator.start({ name: `${prefix}-one`, host }),
      other: await Simulator.start({ name: `${prefix}-other`, host }),
    };
    try {
      await admin.get('/status');
      const seenAs = ({ baseUrl }: Simulator) => baseUrl.replace(host, inUrl(simulatorHost ?? LOOPBACK));
      const made = await objects.make({ one: seenAs(providers.one), other: seenAs(providers.other) });
      const client = new GatewayClient(url);
      const bench = new Bench({ prefix, admin, client, keepAliveSeconds, patience, signal, providers, objects, made });
      await bench.isReady();
      return bench;
    } catch (error) {
      const left = await objects.remove();
      await closeAll(providers);
      if (left.length === 0) throw error;
      throw new SelfTestError(`${(error as Error).message} Could not be removed: ${left.join(', ')}`);
    }
  }

  get admin(): AdminApi {
    return this.parts.admin;
  }

  get client(): GatewayClient {
    return this.parts.client;
  }

  /** SSE_KEEP_ALIVE_SECONDS of the gateway. */
  get keepAliveSeconds(): number {
    return this.parts.keepAliveSeconds;
  }

  /** What every time limit is multiplied by. */
  get patience(): number {
    return this.parts.patience;
  }

  /** Ends what is under way. */
  get signal(): AbortSignal {
    return this.parts.signal;
  }

  get keys(): Made['keys'] {
    return this.parts.made.keys;
  }

  get models(): Made['models'] {
    return this.parts.made.models;
  }

  /** What the names of all begin with that was made. */
  get prefix(): string {
    return this.parts.prefix;
  }

  get groupIds(): Made['groupIds'] {
    return this.parts.made.groupIds;
  }

  /** The same bench for one check, which ends with the signal. */
  until(signal: AbortSignal): Bench {
    return new Bench({ ...this.parts, signal });
  }

  /** All calls that the providers have got for clients, oldest first. */
  get exchanges(): Exchange[] {
    return Object.values(this.parts.providers)
      .flatMap(({ exchanges }) => exchanges)
      .filter(({ headers }) => headers['x-client-request-id'] !== undefined)
      .toSorted((first, second) => first.startedAtMs - second.startedAtMs);
  }

  /** The providers that have got a call of a session. */
  providersOf(sessionId: string): Simulator[] {
    return Object.values(this.parts.providers).filter(({ exchanges }) =>
      exchanges.some(({ headers }) => headers['x-client-request-id'] === sessionId),
    );
  }

  /** What the providers have billed. */
  get bills(): Simulator['ledger']['entries'] {
    return Object.values(this.parts.providers).flatMap(({ ledger }) => ledger.entries);
  }

  /** Lets the answers go on that are held in the middle. */
  release(): void {
    for (const provider of Object.values(this.parts.providers)) provider.release();
  }

  /** The log row of an answer; waits until it is there. */
  row(requestId: string): Promise<Request> {
    return this.eventually(`there is no row for ${requestId}`, async () => {
      try {
        return await this.admin.get<Request>(`/requests/${requestId}`);
      } catch (error) {
        if (error instanceof AdminRefusal && error.status === 404) return undefined;
        throw error;
      }
    });
  }

  /** Asks again and again until there is an answer. @throws CheckFailed with this complaint after 15 s, times the patience */
  async eventually<T>(complaint: string, ask: () => Promise<T | undefined> | T | undefined): Promise<T> {
    const waitMs = ROW_WAIT_MS * this.patience;
    const deadlineMs = performance.now() + waitMs;
    for (;;) {
      const answer = await ask();
      if (answer !== undefined) return answer;
      if (performance.now() > deadlineMs) throw new CheckFailed(`${complaint} after ${waitMs / 1000} s`);
      await delay(ASK_EVERY_MS, undefined, { signal: this.signal });
    }
  }

  /** Removes what was made, unless it is to be kept, and stops the providers; returns what could not be removed. */
  async close({ keeps }: { keeps: boolean }): Promise<string[]> {
    const left = keeps ? [] : await this.parts.objects.remove();
    await closeAll(this.parts.providers);
    return left;
  }

  /** Resolves when every replica knows the keys and models. */
  private async isReady(): Promise<void> {
    const deadlineMs = performance.now() + READY_WAIT_MS * this.patience;
    const secrets = Object.values(this.keys);
    for (let answers = 0; answers < READY_ANSWERS;) {
      const secret = secrets[answers % secrets.length] ?? '';
      const call = { path: `/v1/models/${this.models.faulty}`, method: 'GET', secret };
      const { status } = await this.client.call(call, this.signal);
      answers = status === 200 ? answers + 1 : 0;
      if (status === 200) continue;
      if (performance.now() > deadlineMs) {
        throw new SelfTestError(
          `The gateway does not know the key that it has made: GET /v1/models is answered ${status}.`,
        );
      }
      await delay(ASK_EVERY_MS, undefined, { signal: this.signal });
    }
  }
}

/** A host as it stands in a URL. */
function inUrl(host: string): string {
  return isIP(host) === 6 ? `[${host}]` : host;
}

async function closeAll(providers: Readonly<Record<string, Simulator>>): Promise<void> {
  await Promise.all(Object.values(providers).map((provider) => provider.close()));
}
