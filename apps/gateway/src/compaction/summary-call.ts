import { errors, memberTexts } from '@app/protocol';

/** What of the client's call its summary is made with, too: the same account, cache and effort. */
const COPIED = [
  'previous_response_id',
  'prompt_cache_key',
  'reasoning',
  'safety_identifier',
  'service_tier',
  'user',
  'client_metadata',
];

export interface SummaryCall {
  readonly model: string;
  readonly instruction: string;
  /** Items that only the upstream can read, as JSON. */
  readonly carried: readonly string[];
  /** What the model is to read, in order. */
  readonly texts: readonly string[];
}

/** The members of a call that its summary is made with; JSON by name. */
export function copiedMembers(raw: Buffer): Readonly<Record<string, string>> {
  return memberTexts(raw, COPIED);
}

/** The body of the ordinary call by which a model writes a summary: no tools, nothing stored. */
export function summaryBody(call: SummaryCall, copied: Readonly<Record<string, string>>): Buffer {
  const { model, instruction, carried, texts } = call;
  const messages = texts.map((text) =>
    JSON.stringify({ type: 'message', role: 'user', content: [{ type: 'input_text', text }] }),
  );
  const members: Record<string, string> = {
    model: JSON.stringify(model),
    instructions: JSON.stringify(instruction),
    input: `[${[...carried, ...messages].join(',')}]`,
    tools: '[]',
    stream: 'true',
    store: 'false',
    ...copied,
  };
  return Buffer.from(
    `{${Object.entries(members)
      .map(([name, json]) => `${JSON.stringify(name)}:${json}`)
      .join(',')}}`,
  );
}

interface OutputJson {
  readonly status?: unknown;
  readonly incomplete_details?: { readonly reason?: unknown } | null;
  readonly output?: readonly { readonly type?: unknown; readonly content?: unknown }[];
}

/**
 * The summary in a response.
 *
 * @throws GatewayError when it is not whole, or there is none
 */
export function summaryTextOf(response: Buffer): string {
  const { status, incomplete_details: details, output } = JSON.parse(response.toString('utf8')) as OutputJson;
  if (status === 'incomplete') {
    throw errors.compactionFailed(`the summary was cut off (${String(details?.reason ?? 'no reason given')})`);
  }
  const texts = (Array.isArray(output) ? output : []).flatMap(({ type, content }) =>
    type === 'message' && Array.isArray(content) ? content.map(textOfPart) : [],
  );
  const text = texts.join('').trim();
  if (text === '') throw errors.compactionFailed('the model wrote no summary');
  return text;
}

function textOfPart(part: unknown): string {
  const { type, text } = (part ?? {}) as { type?: unknown; text?: unknown };
  return type === 'output_text' && typeof text === 'string' ? text : '';
}
