// A process of its own, the yardstick: what any proxy in Node costs at least. The body is collected and forwarded through
// an undici pool, the answer is piped back; no key, no permission, no log, no care for what goes wrong.
//   UPSTREAM_URL   where everything is forwarded to
import { createServer } from 'node:http';
import { Pool } from 'undici';

const pool = new Pool(process.env.UPSTREAM_URL);

const server = createServer((request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('end', () => {
    forward(request, Buffer.concat(parts)).then(
      ({ statusCode, headers, body }) => {
        response.writeHead(statusCode, passedOn(headers));
        body.on('error', () => response.destroy());
        response.on('close', () => body.destroy());
        body.pipe(response);
      },
      () => response.writeHead(502).end(),
    );
  });
});
server.listen(0, '127.0.0.1', () => {
  process.send?.({ type: 'ready', url: `http://127.0.0.1:${server.address().port}` });
});
process.once('disconnect', () => process.exit());
process.once('SIGTERM', () => process.exit());

function forward({ method, url, headers }, body) {
  return pool.request({
    method,
    path: url,
    headers: { 'content-type': headers['content-type'], authorization: headers.authorization },
    body,
  });
}

function passedOn(headers) {
  const length = headers['content-length'];
  return { 'content-type': headers['content-type'], ...(length ? { 'content-length': length } : {}) };
}
