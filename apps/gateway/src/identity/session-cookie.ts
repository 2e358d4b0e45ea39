import { parseCookie, stringifySetCookie } from 'cookie';
import type { FastifyReply, FastifyRequest } from 'fastify';

/** Sent over TLS only, or to this very machine, to this host and nobody else; no script reads it. */
export const SESSION_COOKIE = '__Host-tollgate';
const ATTRIBUTES = { name: SESSION_COOKIE, path: '/', secure: true, httpOnly: true, sameSite: 'strict' } as const;

/** The secret of a session; null when the request has none. */
export function sessionSecretOf({ headers }: FastifyRequest): string | null {
  return headers.cookie === undefined ? null : (parseCookie(headers.cookie)[SESSION_COOKIE] ?? null);
}

export function setSessionCookie(reply: FastifyReply, value: string, expires: Date): void {
  void reply.header('set-cookie', stringifySetCookie({ ...ATTRIBUTES, value, expires }));
}

export function clearSessionCookie(reply: FastifyReply): void {
  void reply.header('set-cookie', stringifySetCookie({ ...ATTRIBUTES, value: '', maxAge: 0 }));
}
