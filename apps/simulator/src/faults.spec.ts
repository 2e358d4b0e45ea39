import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { directive, type Fault, type Script, Simulator } from './simulator.js';

let simulator: Simulator;

beforeAll(async () => {
  simulator = await Simulator.start();
});
afterAll(() => simulator.close());

function post(script: Script, more: object = {}): Promise<Response> {
  const body = JSON.stringify({ model: 'gpt-5.5', stream: true, input: directive(script), ...more });
  return fetch(`${simulator.baseUrl}/responses`, { method: 'POST', body });
}

function rawPost(script: Script, more: object = {}): Socket {
  const body = JSON.stringify({ model: 'gpt-5.5', stream: true, input: directive(script), ...more });
  const socket = connect(Number(new URL(simulator.url).port), '127.0.0.1');
  socket.write(`POST /responses HTTP/1.1\r\nhost: sim\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  return socket;
}

/** What arrives until the end, and the code of the error that ended it (null for a plain FIN). */
async function drain(socket: Socket): Promise<{ text: string; code: string | null }> {
  let text = '';
  socket.setEncoding('utf8').on('data', (part: string) => (text += part));
  const failure = new Promise<string | null>((resolve) => {
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''));
    socket.on('end', () => resolve(null));
  });
  const code = await failure;
  socket.destroy();
  return { text, code };
}

function typesIn(text: string): string[] {
  return [...text.matchAll(/^event: (.*)$/gm)].map((match) => match[1] ?? '');
}

describe('scripted faults', () => {
  it('answer by status, error fields and headers', async () => {
    const response = await post({
      fault: {
        kind: 'status',
        status: 429,
        type: 'tokens',
        code: 'rate_limit_exceeded',
        message: 'Wait.',
        extra: { resets_at: 1_800_000_000 },
        headers: { 'retry-after': '7' },
      },
    });
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('7');
    expect(response.headers.get('x-request-id')).toMatch(/^req_/);
    const error = { message: 'Wait.', type: 'tokens', param: null, code: 'rate_limit_exceeded' };
    expect(await response.json()).toEqual({ error: { ...error, resets_at: 1_800_000_000 } });
  });

  it('answer by the usual error of a status', async () => {
    const response = await post({ fault: { kind: 'status', status: 503 } });
    expect(response.status).toBe(503);
    expect(await response.json()).toMatchObject({ error: { code: 'server_is_overloaded' } });
  });

  it('answer by HTML as an edge proxy does', async () => {
    const response = await post({ fault: { kind: 'html', status: 502 } });
    expect([response.status, response.headers.get('content-type')]).toEqual([502, 'text/html']);
    expect(await response.text()).toContain('<html>');
  });

  it('answer a stream by 200 and a JSON error', async () => {
    const response = await post({ fault: { kind: 'json_error_200' } });
    expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/json']);
    expect(await response.json()).toMatchObject({ error: { type: 'server_error' } });
  });

  it('reset before the headers', async () => {
    expect(await drain(rawPost({ fault: { kind: 'reset_before_headers' } }))).toEqual({ text: '', code: 'ECONNRESET' });
  });

  it('reset after the headers', async () => {
    const { text, code } = await drain(rawPost({ fault: { kind: 'reset_after_headers' } }));
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\ncontent-type: text\/event-stream/);
    expect(text.split('\r\n\r\n')[1]).toBe('');
    expect(code).toBe('ECONNRESET');
  });

  it('never answer, until the client leaves', async () => {
    const next = simulator.nextExchange();
    const socket = rawPost({ fault: { kind: 'no_headers' } });
    const exchange = await next;
    expect(exchange.status).toBeNull();
    socket.destroy();
    await exchange.closed;
    expect([exchange.closedBy, exchange.sentBytes.length]).toEqual(['client', 0]);
  });

  it('stall after so many events, until the client leaves', async () => {
    const next = simulator.nextExchange();
    const socket = rawPost({ fault: { kind: 'stall', after_events: 3 } });
    const exchange = await next;
    await exchange.sent(3);
    socket.destroy();
    await exchange.closed;
    expect([exchange.closedBy, exchange.eventsSent]).toEqual(['client', 3]);
    await expect(exchange.sent(4)).rejects.toThrow('closed after 3 events');
  });

  it('send the headers even when stalling before the first event', async () => {
    const socket = rawPost({ fault: { kind: 'stall', after_events: 0 } });
    const [head] = (await once(socket, 'data')) as [Buffer];
    expect(head.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n[^]*\r\n\r\n$/);
    socket.destroy();
  });

  it('break off in the middle of an event', async () => {
    const { text } = await drain(rawPost({ fault: { kind: 'break_off', after_events: 2, partial_bytes: 40 } }));
    expect(typesIn(text)).toEqual(['response.created', 'response.in_progress', 'response.output_item.added']);
    expect(text).toMatch(/\r\n28\r\nevent: response\.output_item\.added\ndata: \r\n$/);
    expect(text).not.toMatch(/\r\n0\r\n\r\n$/);
  });

  it('break off after the whole event when no partial bytes are scripted', async () => {
    const response = await post({ fault: { kind: 'break_off', after_events: 5 } });
    await expect(response.text()).rejects.toThrow('terminated');
  });

  it('end cleanly without a terminal event', async () => {
    const text = await (await post({ fault: { kind: 'clean_eof', after_events: 5 } })).text();
    expect(typesIn(text)).toHaveLength(5);
    expect(text.endsWith('\n\n')).toBe(true);
  });

  it('end by response.failed, after partial text if scripted', async () => {
    const fault: Fault = { kind: 'failed', code: 'rate_limit_exceeded', message: 'Slow down.', after_events: 6 };
    const text = await (await post({ fault })).text();
    expect(typesIn(text).slice(-2)).toEqual(['response.output_text.delta', 'response.failed']);
    expect(text).toContain('"error":{"code":"rate_limit_exceeded","message":"Slow down."}');
  });

  it('end by response.incomplete with the reason', async () => {
    const text = await (await post({ fault: { kind: 'incomplete', reason: 'content_filter' } })).text();
    expect(typesIn(text).at(-1)).toBe('response.incomplete');
    expect(text).toContain('"incomplete_details":{"reason":"content_filter"}');
  });

  it('end by the error event and then response.failed, as captured from the real service', async () => {
    const text = await (await post({ fault: { kind: 'error_event' } })).text();
    expect(typesIn(text)).toEqual(['response.created', 'response.in_progress', 'error', 'response.failed']);
    expect(text).toContain('{"type":"error","sequence_number":2,"error":{"type":"insufficient_quota"');
  });

  it('go away after their times, counted by directive', async () => {
    const fault: Fault = { kind: 'status', status: 500, times: 2 };
    const statuses = [];
    for (let count = 0; count < 3; count += 1) statuses.push((await post({ fault, text: 'times' })).status);
    expect(statuses).toEqual([500, 500, 200]);
    expect((await post({ fault, text: 'another directive' })).status).toBe(500);
  });

  it('apply to JSON answers as far as they make sense', async () => {
    const failed = await post({ fault: { kind: 'failed', code: 'server_error' } }, { stream: false });
    expect(await failed.json()).toMatchObject({ status: 'failed', error: { code: 'server_error' }, usage: null });
    const incomplete = await post({ fault: { kind: 'incomplete' } }, { stream: false });
    const reason = { reason: 'max_output_tokens' };
    expect(await incomplete.json()).toMatchObject({ status: 'incomplete', incomplete_details: reason });
    const { text } = await drain(rawPost({ fault: { kind: 'break_off' } }, { stream: false }));
    const [head = '', half = ''] = text.split('\r\n\r\n');
    const promised = Number(/content-length: (\d+)/.exec(head)?.[1]);
    expect(half.length).toBe(Math.floor(promised / 2));
  });

  it('apply by header too', async () => {
    const headers = { 'x-simulator': '{"fault":{"kind":"status","status":418}}' };
    const body = JSON.stringify({ model: 'gpt-5.5', input: 'hi' });
    const response = await fetch(`${simulator.url}/responses`, { method: 'POST', body, headers });
    expect(response.status).toBe(418);
  });
});

describe('holding', () => {
  it('stops a stream after so many events until the release', async () => {
    const next = simulator.nextExchange();
    const response = post({ text: 'a b c', hold_after_events: 4 }).then((answer) => answer.text());
    const exchange = await next;
    await exchange.sent(4);
    expect(exchange.eventsSent).toBe(4);
    simulator.release();
    expect(typesIn(await response).at(-1)).toBe('response.completed');
    await exchange.closed;
    expect(exchange.closedBy).toBe('server');
    expect(exchange.closedAtMs).toBeGreaterThanOrEqual(exchange.startedAtMs);
  });

  it('stops a JSON answer before its first byte', async () => {
    const next = simulator.nextExchange();
    const response = post({ text: 'a', hold_after_events: 1 }, { stream: false });
    const exchange = await next;
    expect(exchange.status).toBeNull();
    simulator.release();
    expect((await response).status).toBe(200);
  });

  it('lets the client have the headers when it stops before the first event', async () => {
    const response = await post({ text: 'a', hold_after_events: 0 });
    expect(response.status).toBe(200);
    simulator.release();
    expect(typesIn(await response.text())).toHaveLength(9);
  });

  it('ends when the simulator closes', async () => {
    const other = await Simulator.start();
    const next = other.nextExchange();
    const body = JSON.stringify({ model: 'm', stream: true, input: directive({ hold_after_events: 2 }) });
    const failed = fetch(`${other.url}/responses`, { method: 'POST', body }).then((response) => response.text());
    const exchange = await next;
    await exchange.sent(2);
    await Promise.all([other.close(), expect(failed).rejects.toThrow('terminated')]);
    expect(exchange.closedBy).toBe('server');
    expect(other.ledger.entries).toMatchObject([{ outcome: 'broke_off', outputTokens: 0 }]);
  });
});
