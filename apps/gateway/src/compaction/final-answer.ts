import type { IncomingHttpHeaders } from 'node:http';
import { isCompactionType } from '@app/compaction';
import type { RequestRecord } from '@app/journal';
import { responseEvents } from '@app/protocol';
import { wrappedRefusal } from '../responses/attempt-failures.js';
import type { CollectedRefusal, CollectedResponseAnswer } from './collected-call.js';

/** What a client gets that was held until it was whole. */
export interface FinalAnswer {
  readonly status: number;
  readonly contentType: string;
  readonly bytes: Buffer;
  /** Of the upstream, when it is its answer. */
  readonly headers: IncomingHttpHeaders;
}

export type Json = Readonly<Record<string, unknown>>;

const JSON_TYPE = 'application/json';
const EVENTS_TYPE = 'text/event-stream';
const NOT_IMPLEMENTED = 501;

export function jsonAnswer(value: Json): FinalAnswer {
  return { status: 200, contentType: JSON_TYPE, bytes: Buffer.from(JSON.stringify(value)), headers: {} };
}

/** A response object, as the client asked for it: as it is, or told by events. */
export function responseAnswer(response: Json, record: RequestRecord, headers: IncomingHttpHeaders = {}): FinalAnswer {
  if (!record.stream) return { ...jsonAnswer(response), headers };
  const bytes = Buffer.concat([...responseEvents(response, record.ownResponseId)]);
  return { status: 200, contentType: EVENTS_TYPE, bytes, headers };
}

/** An upstream's answer: in its own bytes when it came in the way that the client asked for. */
export function upstreamsAnswer(
  { response, bytes, headers, isEventStream }: CollectedResponseAnswer,
  record: RequestRecord,
): FinalAnswer {
  if (record.stream && isEventStream) return { status: 200, contentType: EVENTS_TYPE, bytes, headers };
  if (!record.stream) return { status: 200, contentType: JSON_TYPE, bytes: response, headers };
  return responseAnswer(JSON.parse(response.toString('utf8')) as Json, record, headers);
}

/** An upstream's refusal in its own words, unless they are in no shape that a client reads; it is taken down in the record. */
export function refusalAnswer(
  { status, headers, bytes, summary }: CollectedRefusal,
  record: RequestRecord,
): FinalAnswer {
  record.errorCode = summary?.errorCode ?? null;
  record.errorMessage = summary?.errorMessage ?? `the upstream answered ${status}`;
  // What an upstream does not implement is nothing that a client should try again.
  const told = status === NOT_IMPLEMENTED ? 400 : status;
  record.status = told;
  record.noteEnding();
  const isReadable = summary !== null && summary.errorMessage !== null;
  const body = isReadable ? bytes : wrappedRefusal(status, headers, bytes, summary !== null);
  return { status: told, contentType: JSON_TYPE, bytes: body, headers };
}

/** The items of a response's output. */
export function outputOf(response: Buffer): Json[] {
  const { output } = JSON.parse(response.toString('utf8')) as { output?: unknown };
  return Array.isArray(output) ? output.filter(isObject) : [];
}

/** Whether an item of an output is a compaction, under either of its names. */
export function isCompactionItem(item: unknown): boolean {
  return isObject(item) && isCompactionType(item.type);
}

function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null;
}
