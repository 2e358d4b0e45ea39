import { request } from 'undici';

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: Buffer;
  /** The `error` object of an error answer. */
  error: { message: string; type: string; param: string | null; code: string | null } | undefined;
  requestId: string;
}

export interface CallOptions {
  secret?: string;
  path?: string;
  method?: string;
  headers?: Record<string, string>;
}

/** Sends exactly these bytes and reads the whole answer. */
export async function call(url: string, body: string | Buffer | null, options: CallOptions = {}): Promise<Answer> {
  const { secret, path = '/v1/responses', method = 'POST', headers = {} } = options;
  const answer = await request(`${url}${path}`, {
    method: method as 'POST',
    headers: {
      ...(body === null ? {} : { 'content-type': 'application/json' }),
      ...(secret ? { authorization: `Bearer ${secret}` } : {}),
      ...headers,
    },
    body,
  });
  const bytes = Buffer.from(await answer.body.arrayBuffer());
  return {
    status: answer.statusCode,
    headers: answer.headers,
    body: bytes,
    error: errorOf(bytes),
    requestId: String(answer.headers['x-request-id']),
  };
}

/** The JSON of a call that asks the simulator for something by a directive. */
export function callBody(input: string, fields: object = {}): string {
  return JSON.stringify({ model: 'gpt-5.5', input, stream: true, ...fields });
}

/** The JSON objects of a stream's `data:` lines, in order. */
export function eventsOf(body: Buffer): { type: string; sequence_number: number; response?: { id: string } }[] {
  return body
    .toString('utf8')
    .split('\n')
    .filter((line) => line.startsWith('data: {'))
    .map((line) => JSON.parse(line.slice('data: '.length)) as ReturnType<typeof eventsOf>[number]);
}

function errorOf(bytes: Buffer): Answer['error'] {
  try {
    return (JSON.parse(bytes.toString('utf8')) as { error?: Answer['error'] }).error;
  } catch {
    return undefined;
  }
}
