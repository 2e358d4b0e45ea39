import { type OutputStep, wordsOf } from './answer-plan.js';
import { newCallId, newId } from './ids.js';
import { NO_OUTPUT, type OutputUsage } from './usage.js';

/** An output item in its two showings, and the deltas between them. */
export interface OutputItem {
  id: string;
  kind: OutputStep['kind'];
  deltas: readonly string[];
  /** JSON of the item when it is added. */
  added: string;
  /** JSON of the item when it is done. */
  done: string;
  /** Tokens of each delta. */
  perDelta: OutputUsage;
  /** Tokens of the done event, for items without deltas. */
  atDone: OutputUsage;
}

/** Reasoning tokens behind each delta of the shown summary. */
export const REASONING_TOKENS_PER_DELTA = 8;
/** Output tokens of a compaction item. */
export const COMPACTION_TOKENS = 32;

const ONE_TOKEN: OutputUsage = { outputTokens: 1, reasoningTokens: 0 };
const ONE_THOUGHT: OutputUsage = {
  outputTokens: REASONING_TOKENS_PER_DELTA,
  reasoningTokens: REASONING_TOKENS_PER_DELTA,
};

/** Produces the item of a step, with fresh ids. */
export function outputItem(step: OutputStep, status: 'completed' | 'incomplete'): OutputItem {
  switch (step.kind) {
    case 'reasoning':
      return reasoningItem(step.deltas, step.encryptedContent);
    case 'message':
      return messageItem(step.deltas, status);
    case 'function_call':
      return functionCallItem(step, status);
    case 'custom_tool_call':
      return customToolCallItem(step, status);
    case 'tool_search_call':
      return toolSearchItem(step, status);
    case 'compaction':
      return compactionItem(step.encryptedContent);
    default:
      return step satisfies never;
  }
}

/** Output tokens of a whole item. */
export function itemUsage(item: OutputItem): OutputUsage {
  return {
    outputTokens: item.deltas.length * item.perDelta.outputTokens + item.atDone.outputTokens,
    reasoningTokens: item.deltas.length * item.perDelta.reasoningTokens + item.atDone.reasoningTokens,
  };
}

function reasoningItem(deltas: readonly string[], encryptedContent: string | null): OutputItem {
  const id = newId('rs');
  const item = { id, type: 'reasoning', summary: [] as object[] };
  const seal = encryptedContent === null ? {} : { encrypted_content: encryptedContent };
  const summary = [{ type: 'summary_text', text: deltas.join('') }];
  return {
    id,
    kind: 'reasoning',
    deltas,
    added: JSON.stringify({ ...item, ...seal }),
    done: JSON.stringify({ ...item, ...seal, summary }),
    perDelta: ONE_THOUGHT,
    atDone: NO_OUTPUT,
  };
}

function messageItem(deltas: readonly string[], status: string): OutputItem {
  const id = newId('msg');
  const part = { type: 'output_text', annotations: [], logprobs: [], text: deltas.join('') };
  return {
    id,
    kind: 'message',
    deltas,
    added: JSON.stringify({ id, type: 'message', status: 'in_progress', content: [], role: 'assistant' }),
    done: JSON.stringify({ id, type: 'message', status, content: [part], role: 'assistant' }),
    perDelta: ONE_TOKEN,
    atDone: NO_OUTPUT,
  };
}

function functionCallItem(step: OutputStep & { kind: 'function_call' }, status: string): OutputItem {
  const id = newId('fc');
  const place = step.namespace === null ? {} : { namespace: step.namespace };
  const call = { call_id: newCallId(), name: step.name, ...place };
  return {
    id,
    kind: 'function_call',
    deltas: wordsOf(step.arguments),
    added: JSON.stringify({ id, type: 'function_call', status: 'in_progress', arguments: '', ...call }),
    done: JSON.stringify({ id, type: 'function_call', status, arguments: step.arguments, ...call }),
    perDelta: ONE_TOKEN,
    atDone: NO_OUTPUT,
  };
}

function customToolCallItem(step: OutputStep & { kind: 'custom_tool_call' }, status: string): OutputItem {
  const id = newId('ctc');
  const call = { call_id: newCallId(), name: step.name };
  return {
    id,
    kind: 'custom_tool_call',
    deltas: wordsOf(step.input),
    added: JSON.stringify({ id, type: 'custom_tool_call', status: 'in_progress', input: '', ...call }),
    done: JSON.stringify({ id, type: 'custom_tool_call', status, input: step.input, ...call }),
    perDelta: ONE_TOKEN,
    atDone: NO_OUTPUT,
  };
}

function toolSearchItem(step: OutputStep & { kind: 'tool_search_call' }, status: string): OutputItem {
  const id = newId('tsc');
  const call = { call_id: newCallId(), execution: 'client', arguments: step.arguments };
  return {
    id,
    kind: 'tool_search_call',
    deltas: [],
    added: JSON.stringify({ id, type: 'tool_search_call', status: 'in_progress', ...call }),
    done: JSON.stringify({ id, type: 'tool_search_call', status, ...call }),
    perDelta: NO_OUTPUT,
    atDone: { outputTokens: wordsOf(JSON.stringify(step.arguments)).length, reasoningTokens: 0 },
  };
}

function compactionItem(encryptedContent: string): OutputItem {
  const id = newId('cmp');
  const json = JSON.stringify({ id, type: 'compaction', encrypted_content: encryptedContent });
  return {
    id,
    kind: 'compaction',
    deltas: [],
    added: json,
    done: json,
    perDelta: NO_OUTPUT,
    atDone: { outputTokens: COMPACTION_TOKENS, reasoningTokens: 0 },
  };
}
