import { Agent, request } from 'undici';
import { directive, type Script, type Simulator } from '../../apps/simulator/src/simulator.js';
import { eventually } from './eventually.js';
import { usageOf } from './request-ledger.js';

export const MODEL = 'gpt-5.5';

/** The keys that calls of the mix are made with. */
export interface MixKeys {
  secret: string;
  /** May make one request a minute. */
  limitedSecret: string;
  /** Without a budget: of answers that upstreams break off nobody knows what they have used, and budgets count what was held. */
  unbudgetedSecret: string;
}

/** A call as a client knows it. */
export interface SentCall {
  /** Of its row, and of all calls that upstreams got for it: the client's own id. */
  id: string;
  kind: string;
  /** Null: the client has left before it was told. */
  status: number | null;
  hasLeft: boolean;
  /** The connection broke under the answer. */
  isCut: boolean;
}

interface Kind {
  name: string;
  script?: Script;
  fields?: object;
  path?: string;
  key?: 'limited' | 'unbudgeted' | 'wrong';
  /** When the client leaves: once an upstream has its call, or with the first bytes of the answer. */
  leaves?: 'before_answer' | 'in_answer';
}

const STREAM = { stream: true };
const SLOW: Script = { deltas: 40, delta_delay_ms: 50 };

const ORDINARY: readonly Kind[] = [
  { name: 'stream', script: { deltas: 8 }, fields: STREAM },
  { name: 'JSON' },
  { name: 'stream with reasoning', script: { reasoning: true, deltas: 3 }, fields: STREAM },
  { name: 'compaction', path: '/v1/responses/compact' },
];

const FAULTY: readonly Kind[] = [
  { name: 'failover upon 500', script: { fault: { kind: 'status', status: 500, times: 1 } } },
  { name: 'failed in mid-stream', script: { fault: { kind: 'failed', after_events: 5 } }, fields: STREAM },
  { name: 'leaves before the answer', script: { first_delay_ms: 5_000 }, fields: STREAM, leaves: 'before_answer' },
  { name: 'wrong key', key: 'wrong' },
  { name: 'broken off', key: 'unbudgeted', script: { fault: { kind: 'break_off', after_events: 5 } }, fields: STREAM },
  { name: 'failover upon a reset', script: { fault: { kind: 'reset_before_headers', times: 1 } }, fields: STREAM },
  { name: 'refused by the upstream', script: { fault: { kind: 'status', status: 400 } } },
  { name: 'leaves in the answer', script: SLOW, fields: STREAM, leaves: 'in_answer' },
  { name: 'model not allowed', fields: { model: 'gpt-secret' } },
  {
    name: 'ended too early',
    key: 'unbudgeted',
    script: { fault: { kind: 'clean_eof', after_events: 5 } },
    fields: STREAM,
  },
  { name: 'rate limit of the upstream', script: { fault: { kind: 'status', status: 429 } } },
  { name: 'limited by Tollgate', key: 'limited' },
  { name: 'incomplete', script: { fault: { kind: 'incomplete' } }, fields: STREAM },
  { name: 'invalid', fields: { model: 7 } },
  { name: 'JSON broken off', key: 'unbudgeted', script: { fault: { kind: 'break_off' } } },
  { name: 'leaves JSON', script: { first_delay_ms: 5_000 }, leaves: 'before_answer' },
  { name: 'unknown route', path: '/v1/chat/completions' },
];

export interface MixOptions {
  requests: number;
  /** Calls at the same time. */
  concurrency: number;
  /** The share of calls that go wrong in some way, from 0 to 1. */
  faults: number;
}

/** The n-th call: every kind in its turn, and the faulty ones spread evenly. */
function kindOf(n: number, faults: number): Kind {
  const faulty = Math.floor(n * faults);
  const isFaulty = Math.floor((n + 1) * faults) > faulty;
  const kinds = isFaulty ? FAULTY : ORDINARY;
  return kinds[(isFaulty ? faulty : n - faulty) % kinds.length] as Kind;
}

/** Clients of every kind, good and bad, each call with an id of its own. */
export class MixedClients {
  private static runs = 0;
  /** Begins the id of each of its calls. */
  readonly run: string = `parity-${process.pid}-${++MixedClients.runs}`;
  private readonly agent = new Agent({ connections: null, pipelining: 1, bodyTimeout: 60_000 });

  constructor(
    private readonly url: string,
    private readonly keys: MixKeys,
    private readonly simulator: Simulator,
  ) {}

  /** Resolves when the last call has its answer, or has left. */
  async send({ requests, concurrency, faults }: MixOptions): Promise<SentCall[]> {
    const calls: SentCall[] = [];
    let next = 0;
    const client = async () => {
      for (let n = next++; n < requests; n = next++) calls.push(await this.call(n, kindOf(n, faults)));
    };
    await Promise.all(Array.from({ length: concurrency }, client));
    await this.agent.destroy();
    return calls;
  }

  private async call(n: number, kind: Kind): Promise<SentCall> {
    const sent: SentCall = { id: `${this.run}-${n}`, kind: kind.name, status: null, hasLeft: false, isCut: false };
    const leaving = new AbortController();
    const leave = () => {
      sent.hasLeft = true;
      leaving.abort();
    };
    const answer = this.answer(n, kind, sent, leaving.signal, leave);
    if (kind.leaves === 'before_answer') await this.reachesUpstream(sent, answer).then(leave);
    await answer;
    return sent;
  }

  private async answer(n: number, kind: Kind, sent: SentCall, signal: AbortSignal, leave: () => void): Promise<void> {
    const { path = '/v1/responses', script = {}, fields, key, leaves } = kind;
    const { secret: usual, limitedSecret, unbudgetedSecret } = this.keys;
    const secret = key === 'limited' ? limitedSecret : key === 'unbudgeted' ? unbudgetedSecret : usual;
    const text = `hello ${n} ${directive({ ...script, usage: usageOf(n) })}`;
    const input = [{ type: 'message', role: 'user', content: [{ type: 'input_text', text }] }];
    const body = { model: MODEL, input, ...(path.endsWith('/compact') ? {} : { store: false }), ...fields };
    try {
      const response = await request(`${this.url}${path}`, {
        dispatcher: this.agent,
        method: 'POST',
        signal,
        headers: {
          authorization: `Bearer ${secret}${key === 'wrong' ? 'x' : ''}`,
          'content-type': 'application/json',
          'x-client-request-id': sent.id,
        },
        body: JSON.stringify(body),
      });
      sent.status = response.statusCode;
      for await (const _ of response.body) if (leaves === 'in_answer') leave();
    } catch {
      sent.isCut = !sent.hasLeft;
    }
  }

  /** Resolves when the simulator has a call, or its client an answer that came without. */
  private async reachesUpstream({ id }: SentCall, answer: Promise<void>): Promise<void> {
    let isAnswered = false;
    void answer.then(() => (isAnswered = true));
    const { exchanges } = this.simulator;
    await eventually('the call at the upstream', () =>
      isAnswered || exchanges.some(({ headers }) => headers['x-client-request-id'] === id) ? true : undefined,
    );
  }
}
