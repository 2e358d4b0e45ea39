import { randomUUID } from 'node:crypto';
import { type IdKind, ROLE_PERMISSIONS, toPublicId } from '../../libs/contract/src/index.js';
import type { Operation, Parameter } from './admin-operations.js';
import type { Caller, UsedKey } from './authorisation-callers.js';

/** `open`: anybody is answered, whoever he is. */
export type Expected = 'allowed' | 'open' | 401 | 403;

/** One operation, asked by one caller. */
export interface Case {
  operation: Operation;
  caller: Caller;
  expected: Expected;
}

/** What follows from the permission that the description names, and from what the caller holds. */
export function expectedOf({ permission, isOwn, method }: Operation, caller: Caller): Expected {
  if (permission === null) return 'open';
  if (caller.permissions === null) return 401;
  if (caller.isForged && method !== 'GET') return 403;
  if (!caller.permissions.has(permission)) return 403;
  // The operators here are viewers, and nobody makes or changes somebody who may do more.
  const isBeyond =
    permission === 'operators:write' && ROLE_PERMISSIONS.viewer.some((one) => !caller.permissions?.has(one));
  if (isBeyond) return 403;
  return caller.isLimited && !isOwn ? 403 : 'allowed';
}

/** A path with ids in the place of their names. */
export function fill(path: string, subject: Record<string, string>): string {
  return path.replaceAll(/\{(\w+)\}/g, (_, name: string) => subject[name] ?? `no-${name}`);
}

/** What the path of an operation holds. */
export function pathParameters({ parameters }: Operation): Parameter[] {
  return parameters.filter((parameter) => parameter.in === 'path');
}

/** Ids of nothing, of something of another kind, and what is none. */
export function foreignIds({ description = '' }: Parameter, own: UsedKey): string[] {
  const kind = /^Id of an? (\w+)/.exec(description)?.[1] as IdKind | undefined;
  const { group, requestIds } = own;
  const ofOtherKind = kind === 'request' ? group.id : (requestIds[0] ?? '');
  return [toPublicId(kind ?? 'alert', randomUUID()), ofOtherKind, 'x', '%00', 'x'.repeat(299)];
}
