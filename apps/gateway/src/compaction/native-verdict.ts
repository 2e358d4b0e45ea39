import type { CompactionForm } from '@app/compaction';
import { isCompactionItem } from './final-answer.js';
import type { CollectedRefusal, CollectedResponseAnswer } from './collected-call.js';

/**
 * What an answer tells of an upstream's knowledge of compaction.
 * - `answered`: it has compacted, or ended the response in its own way
 * - `unknown_form`: it does not know compaction
 * - `unclear`: it did not take the request, and that may be why
 * - `too_long`: it cannot read the conversation at once
 * - `refused`: it did not take the request, for a reason that has nothing to do with compaction
 */
export type NativeVerdict = 'answered' | 'unknown_form' | 'unclear' | 'too_long' | 'refused';

/** Refusals of this request, wherever it goes. */
const ABOUT_THE_REQUEST = new Set([
  'model_not_found',
  'invalid_prompt',
  'invalid_encrypted_content',
  'previous_response_not_found',
  'content_policy_violation',
  'cyber_policy',
  'bio_policy',
  'misalignment_policy_violation',
]);
const READ_BYTES_MAX = 4_096;
/** Parameters other than those by which a compaction is asked for. */
const ELSEWHERE = /^(?!input|context_management)./;
const ABOUT_COMPACTION = /compact|context_management/i;
const TOO_LONG = /context[ _](length|window)|maximum context|prompt is too long|too many tokens/i;

/** Of an upstream that has refused. */
export function verdictOfRefusal({ status, bytes, summary }: CollectedRefusal, form: CompactionForm): NativeVerdict {
  const code = summary?.errorCode ?? null;
  if (isTooLong({ status, bytes, summary })) return 'too_long';
  if (code !== null && ABOUT_THE_REQUEST.has(code)) return 'refused';
  if (status === 405 || status === 501) return 'unknown_form';
  if (status === 404) return form === 'endpoint' ? 'unknown_form' : 'refused';
  if (status !== 400 && status !== 422) return 'refused';
  return ABOUT_COMPACTION.test(saidBy({ bytes, summary })) ? 'unknown_form' : 'unclear';
}

/** Whether an upstream has refused because the input does not fit into the model's window. */
export function isTooLong({ status, bytes, summary }: Pick<CollectedRefusal, 'status' | 'bytes' | 'summary'>): boolean {
  if (summary?.errorCode === 'context_length_exceeded' || status === 413) return true;
  return (status === 400 || status === 422) && TOO_LONG.test(saidBy({ bytes, summary }));
}

/** What it has said; of an error in OpenAI's shape not what it repeats of a part of the request that has nothing to do with it. */
function saidBy({ bytes, summary }: Pick<CollectedRefusal, 'bytes' | 'summary'>): string {
  if (summary === null || summary.errorMessage === null) return bytes.toString('utf8', 0, READ_BYTES_MAX);
  const { error } = JSON.parse(bytes.toString('utf8')) as { error?: { param?: unknown } };
  const param = typeof error?.param === 'string' ? error.param : '';
  return ELSEWHERE.test(param) ? '' : `${summary.errorCode ?? ''} ${param} ${summary.errorMessage}`;
}

/** Of an upstream that has answered: one that does not know the item or the member passes over it. */
export function verdictOfAnswer({ response, summary }: CollectedResponseAnswer, form: CompactionForm): NativeVerdict {
  if (summary.errorCode === 'context_length_exceeded') return 'too_long';
  const { object, status, output } = JSON.parse(response.toString('utf8')) as Record<string, unknown>;
  const count = Array.isArray(output) ? output.filter(isCompactionItem).length : 0;
  if (form === 'endpoint') return object === 'response.compaction' || count > 0 ? 'answered' : 'unknown_form';
  if (status !== 'completed' || form === 'threshold') return 'answered';
  return count === 1 ? 'answered' : 'unknown_form';
}
