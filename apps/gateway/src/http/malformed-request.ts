import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { pathOf } from './gateway-request.js';
import { newRequestId } from './request-id.js';

const REASONS: Readonly<Record<string, { status: string; message: string }>> = {
  HPE_HEADER_OVERFLOW: {
    status: '431 Request Header Fields Too Large',
    message: 'The request headers are larger than 16 KiB. Send less.',
  },
  ERR_HTTP_REQUEST_TIMEOUT: {
    status: '408 Request Timeout',
    message: 'The request did not arrive in time. Send it again.',
  },
};
const MALFORMED = { status: '400 Bad Request', message: 'The request is not valid HTTP/1.1. Check what sends it.' };

/** Answers bytes that never became a request, in the contract's shape. There is nothing to log: no method, no path. */
export function answerMalformedRequest(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const { status, message } = REASONS[error.code ?? ''] ?? MALFORMED;
  const body = JSON.stringify({
    error: { message, type: 'invalid_request_error', param: null, code: 'invalid_request' },
  });
  const head = [
    `HTTP/1.1 ${status}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
    `x-request-id: ${newRequestId()}`,
    'connection: close',
  ];
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`);
}

/** Model names and ids of sessions may hold anything, a slash too. */
const ENCODED_PATH = /^(?:(?:\/v1)?\/models|\/admin\/v1\/sessions)\//;

/**
 * The URL as the router is to read it. Apart from those no path needs an escape: elsewhere `%2F` and `%61` stand for
 * themselves, so that they become a logged 404, and no route can be written in a second way. What cannot be decoded likewise.
 */
export function routableUrl({ url = '/' }: IncomingMessage): string {
  // The form that is meant for proxies, `GET http://host/path`, is legal.
  let target = url.startsWith('/') ? url : url.replace(/^https?:\/\/[^/?#]*/i, '');
  if (!target.startsWith('/')) target = `/${target}`;
  const fragment = target.indexOf('#');
  if (fragment !== -1) target = target.slice(0, fragment);
  if (!target.includes('%')) return target;
  const path = pathOf(target);
  if (ENCODED_PATH.test(path) && isDecodable(path)) return target;
  return path.replaceAll('%', '%25') + target.slice(path.length);
}

function isDecodable(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}
