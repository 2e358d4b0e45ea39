// A process of its own: an upstream that answers from ready-made bytes, so that the load target costs next to nothing.
import { createServer } from 'node:net';
import { eventChunks, jsonAnswer, models, STAMP, STAMP_DIGITS, streamEnd, streamHead } from './messages.mjs';

const EVENT_EVERY_MS = 20;
const HEAD_END = '\r\n\r\n';

const json = jsonAnswer(models.json);
const burst = eventChunks(models.burst);
const paced = eventChunks(models.paced).map((chunk) => ({ chunk, stampAt: stampOffset(chunk) }));
let pacedStreams = 0;

const server = createServer({ noDelay: true }, (socket) => {
  let pending = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.on('data', (bytes) => {
    pending = pending.length === 0 ? bytes : Buffer.concat([pending, bytes]);
    for (let size = requestSize(pending); size > 0 && size <= pending.length; size = requestSize(pending)) {
      answer(socket, pending.subarray(0, size));
      pending = pending.subarray(size);
    }
  });
});
server.listen(0, '127.0.0.1', () => {
  process.send?.({ type: 'ready', url: `http://127.0.0.1:${server.address().port}` });
});
process.once('disconnect', () => process.exit());
process.once('SIGTERM', () => process.exit());

/** Bytes of the first request, head and body; 0 while its head is not whole. */
function requestSize(bytes) {
  const end = bytes.indexOf(HEAD_END);
  if (end === -1) return 0;
  const length = /\r\ncontent-length: *(\d+)/i.exec(bytes.toString('latin1', 0, end));
  return end + HEAD_END.length + Number(length?.[1] ?? 0);
}

function answer(socket, request) {
  if (request.includes(`"model":"${models.burst}"`)) sendBurst(socket);
  else if (request.includes(`"model":"${models.paced}"`)) sendPaced(socket);
  else socket.write(json);
}

/** Every event in a write of its own, one after the other. */
function sendBurst(socket) {
  socket.write(streamHead);
  for (const chunk of burst) socket.write(chunk);
  socket.write(streamEnd);
}

/** One event every 20 ms, stamped with its time of sending; the streams' ticks lie evenly between one another's. */
function sendPaced(socket) {
  let next = 0;
  socket.write(streamHead);
  const phaseMs = (pacedStreams++ * 7) % EVENT_EVERY_MS;
  let timer = setTimeout(() => {
    timer = setInterval(sendNext, EVENT_EVERY_MS);
  }, phaseMs);
  socket.once('close', () => clearInterval(timer));

  function sendNext() {
    const event = paced[next++];
    if (event) return socket.write(event.stampAt === -1 ? event.chunk : stamped(event));
    clearInterval(timer);
    return socket.write(streamEnd);
  }
}

function stampOffset(chunk) {
  const at = chunk.indexOf(STAMP);
  return at === -1 ? -1 : at + STAMP.length;
}

function stamped({ chunk, stampAt }) {
  const copy = Buffer.from(chunk);
  copy.latin1Write(String(process.hrtime.bigint() / 1000n).padStart(STAMP_DIGITS, '0'), stampAt);
  return copy;
}
