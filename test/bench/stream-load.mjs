// A client for streams of events on plain sockets: cheap, so that the machine's cores are left to what is measured.
import { connect } from 'node:net';
import { EVENTS_PER_STREAM, STAMP, STAMP_DIGITS } from './messages.mjs';

const STREAM_END = '0\r\n\r\n';
const OK = 'HTTP/1.1 200';
const COMPLETED = 'event: response.completed';

/**
 * Reads streams over `connections` kept-alive connections, one after the other on each, until `seconds` have passed; what
 * has begun is read to its end.
 *
 * @param target where to: `{ url, path, key }`
 * @param load `{ body, connections, seconds, onDelays }`; `onDelays` gets, for each read, the delays in ms of the events in it, and
 *   whether the last of them ends the response
 * @throws Error when an answer is not 200 or lacks an event
 */
export async function loadStreams(target, { body, connections, seconds, onDelays }) {
  const request = requestBytes(target, body);
  const startedAt = performance.now();
  const isOver = () => performance.now() - startedAt >= seconds * 1000;
  const counts = await Promise.all(
    Array.from({ length: connections }, () => readStreams(target.url, { request, isOver, onDelays })),
  );
  const streams = counts.reduce((sum, count) => sum + count, 0);
  return { streams, events: streams * EVENTS_PER_STREAM, seconds: (performance.now() - startedAt) / 1000 };
}

function requestBytes({ url, path, key }, body) {
  const head =
    `POST ${path} HTTP/1.1\r\nhost: ${new URL(url).host}\r\nauthorization: Bearer ${key}\r\n` +
    'content-type: application/json\r\naccept: text/event-stream\r\nuser-agent: codex_exec/0.169.0\r\n' +
    `session-id: 0199c0de-0000-7000-8000-000000000001\r\ncontent-length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}

/** One connection's streams; resolves to their number. */
function readStreams(url, { request, isOver, onDelays }) {
  const { hostname, port } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect({ host: hostname, port: Number(port), noDelay: true });
    let streams = 0;
    let parts = [];
    const finish = (error) => {
      socket.destroy();
      if (error) reject(error);
      else resolve(streams);
    };
    socket.on('connect', () => socket.write(request));
    socket.on('error', finish);
    socket.on('close', () => finish(new Error(`${url} closed a connection in the middle of a stream`)));
    socket.on('data', (bytes) => {
      const delays = onDelays ? delaysMs(bytes) : [];
      onDelays?.(delays, bytes.includes(COMPLETED));
      parts.push(bytes);
      if (parts.length === 1 && !bytes.latin1Slice(0, OK.length).startsWith(OK)) {
        return finish(new Error(`not a stream: ${bytes.toString('utf8', 0, 500)}`));
      }
      if (!endsStream(parts)) return undefined;
      const events = eventCount(Buffer.concat(parts));
      if (events !== EVENTS_PER_STREAM) return finish(new Error(`a stream of ${events} events`));
      streams++;
      parts = [];
      return isOver() ? finish() : socket.write(request);
    });
  });
}

function endsStream(parts) {
  const last = parts.at(-1);
  const tail = last.length >= STREAM_END.length ? last : Buffer.concat(parts.slice(-STREAM_END.length));
  return tail.latin1Slice(Math.max(0, tail.length - STREAM_END.length)) === STREAM_END;
}

function eventCount(bytes) {
  let count = 0;
  for (let at = bytes.indexOf('\n\n'); at !== -1; at = bytes.indexOf('\n\n', at + 2)) count++;
  return count;
}

/** How long ago the events in a read were sent; the clock is the machine's, shared by all processes. */
function delaysMs(bytes) {
  const now = Number(process.hrtime.bigint() / 1000n);
  const delays = [];
  for (let at = bytes.indexOf(STAMP); at !== -1; at = bytes.indexOf(STAMP, at + STAMP.length)) {
    const start = at + STAMP.length;
    if (start + STAMP_DIGITS > bytes.length) break;
    delays.push((now - Number(bytes.latin1Slice(start, start + STAMP_DIGITS))) / 1000);
  }
  return delays;
}
