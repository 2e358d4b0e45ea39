import type { Upstream } from '../../libs/contract/src/index.js';
import { Simulator, type SimulatorOptions } from '../../apps/simulator/src/simulator.js';
import type { Issued } from './admin-client.js';
import { TestGateway } from './gateway.js';
import { type Answer, call, eventsOf } from './responses-client.js';

export const MODEL = 'gpt-5.5';
export const FACT = 'FACT-ONE is seven';

export type Item = Record<string, unknown> & { type: string; encrypted_content?: string };

/** A gateway with one simulator behind it that knows as much of compaction as a test wants. */
export class CompactionScene {
  private constructor(
    readonly gateway: TestGateway,
    readonly simulator: Simulator,
    readonly upstreamId: string,
    readonly issued: Issued,
  ) {}

  static async start(
    simulation: SimulatorOptions,
    upstream: object = {},
    env: Record<string, string> = {},
  ): Promise<CompactionScene> {
    const [gateway, simulator] = await Promise.all([
      TestGateway.start({ env }),
      Simulator.start({ isStrict: true, ...simulation }),
    ]);
    const { id } = await gateway.admin.create<Upstream>('/upstreams', {
      name: 'only',
      base_url: simulator.baseUrl,
      ...upstream,
    });
    return new CompactionScene(gateway, simulator, id, await gateway.admin.issueKey());
  }

  async stop(): Promise<void> {
    await this.gateway.stop();
    await this.simulator.close();
  }

  post(path: string, body: object | string, secret = this.issued.secret): Promise<Answer> {
    return call(this.gateway.url, typeof body === 'string' ? body : JSON.stringify(body), { secret, path });
  }

  compact(input: unknown, fields: object = {}): Promise<Answer> {
    return this.post('/v1/responses/compact', { model: MODEL, input, ...fields });
  }

  trigger(input: Item[], fields: object = {}): Promise<Answer> {
    const body = { model: MODEL, input: [...input, { type: 'compaction_trigger' }], stream: true, store: false };
    return this.post('/v1/responses', { ...body, ...fields });
  }

  respond(input: unknown, secret?: string): Promise<Answer> {
    return this.post('/v1/responses', { model: MODEL, input, store: false }, secret);
  }

  lastContext(): string {
    const last = this.simulator.exchanges.at(-1);
    return last ? this.simulator.contextOf(last) : '';
  }
}

/** A message of the given role. */
export const message = (role: string, text: string): Item => ({
  type: 'message',
  role,
  content: [{ type: role === 'assistant' ? 'output_text' : 'input_text', text }],
});
export const CONVERSATION: Item[] = [
  message('user', 'Build the gateway.'),
  { type: 'function_call', call_id: 'call_1', name: 'shell', arguments: '{"cmd":"cat notes"}' },
  { type: 'function_call_output', call_id: 'call_1', output: `${FACT}, says the file.` },
  message('assistant', 'I have read the notes.'),
  message('user', 'Go on.'),
];

export const outputOf = (answer: Answer): Item[] => (JSON.parse(answer.body.toString()) as { output: Item[] }).output;
export const typesOf = (items: Item[]): string[] =>
  items.map(({ type, role }) => (role ? `${type}:${String(role)}` : type));
/** The item that a stream has ended. */
export const itemOf = (answer: Answer): Item | undefined => {
  const done = eventsOf(answer.body).find(({ type }) => type === 'response.output_item.done');
  return (done as { item?: Item } | undefined)?.item;
};
