import { connect } from 'node:net';

/** What came back on a socket that was written to by hand. */
export interface RawAnswer {
  status: number | null;
  /** With lower-case names. */
  headers: Record<string, string>;
  body: string;
  /** How many answers there were. */
  answers: number;
}

export interface RawOptions {
  /** The socket is left open until the other side closes it; otherwise it is closed when one answer is complete. */
  untilClosed?: boolean;
}

/** Writes these bytes to a server and reads what it says. For what no HTTP client would send. */
export function sendRaw(
  url: string,
  bytes: string | Buffer,
  { untilClosed = false }: RawOptions = {},
): Promise<RawAnswer> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    let text = '';
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (!untilClosed && isComplete(text)) socket.destroy();
    });
    // A reset is an answer, too.
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(parse(text)));
    socket.write(bytes);
  });
}

function isComplete(text: string): boolean {
  const { headers, body } = parse(text);
  return headers['content-length'] !== undefined && body.length >= Number(headers['content-length']);
}

function parse(text: string): RawAnswer {
  const [head = '', body = ''] = text.split(/\r\n\r\n/, 2);
  const [statusLine = '', ...fields] = head.split('\r\n');
  return {
    status: Number(/^HTTP\/1\.1 (\d{3}) /.exec(statusLine)?.[1] ?? 0) || null,
    headers: Object.fromEntries(
      fields.map((field) => [field.split(':', 1)[0]?.toLowerCase(), field.replace(/^.*?: */, '')]),
    ),
    body,
    answers: text.match(/^HTTP\/1\.1 \d/gm)?.length ?? 0,
  };
}
