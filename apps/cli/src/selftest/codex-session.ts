import { randomUUID } from 'node:crypto';
import { directive, type Exchange } from '../../../simulator/src/simulator.js';
import type { Bench } from './bench.js';
import { CheckFailed, expectSame, expectSameBytes } from './expectations.js';
import type { Answer, Item } from './gateway-client.js';
import { type CodexShape, readCodexShape, type Turn } from './transcript.js';

let shape: CodexShape | undefined;

/** Who speaks in a session, and to which model. */
export interface SessionOptions {
  /** Default: one that a single upstream serves. */
  readonly model?: string;
  /** Default: the key that everything works with. */
  readonly secret?: string;
}

/** What a turn has come to. */
export interface PlayedTurn {
  readonly answer: Answer;
  /** The body as it was sent. */
  readonly body: Buffer;
  /** What the provider saw; the newest when it was asked more than once. */
  readonly exchange: Exchange;
}

/** A session of Codex: each call has its headers, and the whole conversation so far. */
export class CodexSession {
  readonly id: string = randomUUID();
  readonly model: string;
  private readonly secret: string;
  private history: Item[] = [];
  private lastOutput: readonly Item[] = [];

  constructor(
    private readonly bench: Bench,
    { model = bench.models.plain, secret = bench.keys.main }: SessionOptions = {},
  ) {
    this.model = model;
    this.secret = secret;
    this.history.push(...codexShape().opening);
  }

  /** What the provider saw of this session, oldest first. */
  get exchanges(): Exchange[] {
    return this.bench.exchanges.filter(({ headers }) => headers['x-client-request-id'] === this.id);
  }

  /** Sends a turn; resolves at the head of its answer. */
  async open(turn: Turn, headers: Record<string, string> = {}): Promise<{ answer: Answer; body: Buffer }> {
    const body = this.bodyOf(turn);
    const call = {
      path: `/v1${turn.path ?? '/responses'}`,
      secret: this.secret,
      headers: { ...this.headersOf(turn), ...headers },
      body,
    };
    return { body, answer: await this.bench.client.open(call, this.bench.signal) };
  }

  /** Sends a turn and reads its answer, whatever it is. */
  async send(turn: Turn, headers?: Record<string, string>): Promise<Answer> {
    return (await this.open(turn, headers)).answer.whole();
  }

  /** Plays a turn to its good end: every byte has arrived, in both directions. What it brought is part of the conversation. */
  async play(turn: Turn, headers?: Record<string, string>): Promise<PlayedTurn> {
    const { body, answer } = await this.open(turn, headers);
    await answer.whole();
    if (answer.status !== 200) throw new CheckFailed(`the answer is ${answer.status}: ${answer.error().message}`);
    const exchange = this.exchanges.at(-1);
    if (!exchange) throw new CheckFailed('the provider was not asked');
    expectSameBytes('the request at the provider and the one that was sent', exchange.body, body);
    expectSameBytes('the answer and the one that the provider sent', withoutOwn(answer), exchange.sentBytes);
    this.lastOutput = outputOf(answer);
    this.history.push(...this.lastOutput);
    return { answer, body, exchange };
  }

  /** The same for a turn that streams. */
  async stream(turn: Turn, headers?: Record<string, string>): Promise<PlayedTurn> {
    const played = await this.play(turn, headers);
    expectSame('the content type', played.answer.headers['content-type']?.split(';')[0], 'text/event-stream');
    return played;
  }

  /** Goes on from a compaction: what it is made of takes the place of the conversation. */
  goOnFrom(items: readonly Item[]): void {
    this.history = [...items];
  }

  /** The headers that Codex sends, its names filled in. */
  headersOf(turn: Turn): Record<string, string> {
    return JSON.parse(this.filled(JSON.stringify({ ...codexShape().headers, ...turn.headers }))) as Record<
      string,
      string
    >;
  }

  /** The body of a turn; what is new in its input becomes part of the conversation. */
  bodyOf({ input, script, fields, isWhole = false }: Turn): Buffer {
    const turnId = randomUUID();
    const said = script ? withDirective(input, directive(script)) : input;
    const items = JSON.parse(this.filled(JSON.stringify(said))) as Item[];
    this.history.push(...items);
    const body = { ...(isWhole ? {} : codexShape().body), ...fields, input: this.history };
    return Buffer.from(this.filled(JSON.stringify(body)).replaceAll('{{turn}}', turnId));
  }

  private filled(json: string): string {
    const calls = this.lastOutput.filter(({ call_id: id }) => typeof id === 'string');
    return json
      .replaceAll('{{session}}', this.id)
      .replaceAll('{{model}}', this.model)
      .replaceAll(/\{\{call_(\d)\}\}/g, (_, index: string) => String(calls[Number(index)]?.['call_id']));
  }
}

function codexShape(): CodexShape {
  return (shape ??= readCodexShape());
}

/** The items with a directive for the simulator behind the words of the user. */
function withDirective(input: readonly Item[], text: string): Item[] {
  const last = input.findLastIndex(({ role }) => role === 'user');
  return input.map((item, index) =>
    index === last ? { ...item, content: [...(item['content'] as object[]), { type: 'input_text', text }] } : item,
  );
}

/** What an answer brings, as Codex sends it back: the items that are done, or the output of an answer in one piece. */
function outputOf(answer: Answer): Item[] {
  if (!answer.headers['content-type']?.startsWith('text/event-stream')) return answer.json<{ output: Item[] }>().output;
  return answer.events().flatMap(({ type, item }) => (type === 'response.output_item.done' && item ? [item] : []));
}

/** The signs of life that a gateway may write into a stream of its own. */
const OWN_EVENTS = [': keep-alive\n\n', 'event: keepalive\ndata: {"type":"keepalive"}\n\n'];

/** The answer without what the gateway may add to it when a slow provider says nothing for long. */
export function withoutOwn({ body }: Answer): Buffer {
  if (!OWN_EVENTS.some((event) => body.includes(event))) return body;
  let text = body.toString('utf8');
  for (const event of OWN_EVENTS) text = text.replaceAll(event, '');
  return Buffer.from(text);
}
