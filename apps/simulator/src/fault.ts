import { type Check, fieldsComplaint, isCount, isText } from './field-checks.js';
import { isObject, type JsonObject } from './json.js';

/** A scripted failure of the upstream. Counts are of events; `times` limits it to the first uses of its directive. */
export type Fault = { times?: number } & (
  | {
      kind: 'status';
      status?: number;
      code?: string | null;
      type?: string;
      param?: string | null;
      message?: string;
      /** More fields of the error object, such as `resets_at`. */
      extra?: JsonObject;
      headers?: Record<string, string>;
    }
  | { kind: 'html'; status?: number }
  | { kind: 'json_error_200' }
  | { kind: 'reset_before_headers' }
  | { kind: 'reset_after_headers' }
  | { kind: 'no_headers' }
  | CutFault
  | FailingFault
  | { kind: 'incomplete'; reason?: string }
);

/** A stream that does not reach its terminal event. */
export type CutFault =
  | { kind: 'stall'; after_events?: number }
  | { kind: 'break_off'; after_events?: number; partial_bytes?: number }
  | { kind: 'clean_eof'; after_events?: number };

/** A stream that ends by `response.failed` (after an `error` event, or not) once `after_events` (2) events are out. */
export interface FailingFault {
  kind: 'failed' | 'error_event';
  code?: string;
  message?: string;
  after_events?: number;
}

const isStatus: Check = (value) => Number.isInteger(value) && (value as number) >= 200 && (value as number) <= 599;
const isTextOrNull: Check = (value) => value === null || isText(value);
const isHeaders: Check = (value) => isObject(value) && Object.values(value).every(isText);

const failing = { code: isText, message: isText, after_events: isCount };
const fields: Record<Fault['kind'], Record<string, Check>> = {
  status: {
    status: isStatus,
    code: isTextOrNull,
    type: isText,
    param: isTextOrNull,
    message: isText,
    extra: isObject,
    headers: isHeaders,
  },
  html: { status: isStatus },
  json_error_200: {},
  reset_before_headers: {},
  reset_after_headers: {},
  no_headers: {},
  stall: { after_events: isCount },
  break_off: { after_events: isCount, partial_bytes: isCount },
  clean_eof: { after_events: isCount },
  failed: failing,
  error_event: failing,
  incomplete: { reason: isText },
};

/** Says what is wrong with a would-be fault; null when it is one. */
export function faultComplaint(value: unknown): string | null {
  if (!isObject(value)) return `'fault' must be an object.`;
  const kind = value['kind'];
  if (typeof kind !== 'string' || !Object.hasOwn(fields, kind)) return `unknown fault kind ${JSON.stringify(kind)}.`;
  const checks: Record<string, Check> = { ...fields[kind as Fault['kind']], kind: isText, times: isCount };
  return fieldsComplaint(value, checks, `fault '${kind}' `);
}

/** The fault if it is one that cuts an answer, else null. */
export function cutFault(fault: Fault | null): CutFault | null {
  return fault?.kind === 'stall' || fault?.kind === 'break_off' || fault?.kind === 'clean_eof' ? fault : null;
}
