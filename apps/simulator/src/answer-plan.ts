import { type CompactedContents, type CompactionKnowledge, summaryOf, wantsSummary } from './compacted-contents.js';
import {
  asksForCompaction,
  findTool,
  inputItems,
  isResumed,
  lastUserText,
  pendingToolOutputs,
} from './conversation.js';
import type { Fault } from './fault.js';
import { isObject, type JsonObject } from './json.js';
import { type Script, type ScriptedCall, withoutDirective } from './script.js';
import type { Seal } from './seal.js';
import { countInputTokens } from './usage.js';

/** What planning an answer needs of the service. */
export interface PlanningService {
  readonly seal: Seal;
  readonly contents: CompactedContents;
  readonly compaction: CompactionKnowledge;
}

/** One output item to produce. */
export type OutputStep =
  | { kind: 'reasoning'; deltas: readonly string[]; encryptedContent: string | null }
  | { kind: 'message'; deltas: readonly string[] }
  | { kind: 'function_call'; name: string; namespace: string | null; arguments: string }
  | { kind: 'custom_tool_call'; name: string; input: string }
  | { kind: 'tool_search_call'; arguments: JsonObject }
  | { kind: 'compaction'; encryptedContent: string };

/** How the response ends. */
export type Ending =
  | { status: 'completed' }
  | { status: 'incomplete'; reason: string }
  | { status: 'failed'; code: string; message: string; errorEvent: boolean; afterEvents: number };

/** What the simulated model is going to answer. */
export interface AnswerPlan {
  steps: OutputStep[];
  ending: Ending;
  keepalive: boolean;
  unknownEvents: boolean;
}

/** Decides the answer to a request by its script and conversation. */
export function planAnswer(
  body: JsonObject,
  script: Script,
  fault: Fault | null,
  service: PlanningService,
): AnswerPlan {
  return {
    steps: planSteps(body, script, service),
    ending: planEnding(fault),
    keepalive: script.keepalive ?? false,
    unknownEvents: script.unknown_events ?? false,
  };
}

/** A compaction item of this service, which remembers what it stands for. */
export function planCompaction({ seal, contents }: PlanningService, body: JsonObject): OutputStep {
  const encryptedContent = seal.newBlob(COMPACTION_BLOB_BYTES);
  contents.keep(encryptedContent, body['input']);
  return { kind: 'compaction', encryptedContent };
}

/** Cuts text into word deltas that join to exactly the text. */
export function wordsOf(text: string): string[] {
  return text.match(/^\s*\S+|\s+\S+|\s+$/g) ?? [];
}

function planSteps(body: JsonObject, script: Script, service: PlanningService): OutputStep[] {
  const { seal, contents, compaction } = service;
  const items = inputItems(body);
  if (asksForCompaction(items) && compaction === 'native') return [planCompaction(service, body)];
  if (wantsSummary(lastUserText(items)) && script.text === undefined && script.deltas === undefined) {
    return [{ kind: 'message', deltas: wordsOf(summaryOf(contents.readable(body['input']))) }];
  }
  const toolOutputs = pendingToolOutputs(items);
  const steps: OutputStep[] = [];
  if (script.reasoning) {
    const encryptedContent = wantsSealedReasoning(body) ? seal.newBlob(REASONING_BLOB_BYTES) : null;
    steps.push({ kind: 'reasoning', deltas: THOUGHTS, encryptedContent });
  }
  const calls = isResumed(items) ? [] : planCalls(body, script, toolOutputs.length);
  if (calls.length > 0) return [...steps, ...calls];
  const deltas = planDeltas(script, lastUserText(items), toolOutputs.at(-1) ?? null);
  const answer: OutputStep[] = [...steps, { kind: 'message', deltas }];
  return compaction === 'native' && isOverThreshold(body) ? [...answer, planCompaction(service, body)] : answer;
}

/** Server-side compaction: the one capture there is shows it behind the answer (protocol.md §3.3). */
function isOverThreshold(body: JsonObject): boolean {
  const entries = Array.isArray(body['context_management']) ? body['context_management'].filter(isObject) : [];
  const threshold = entries.find(({ type }) => type === 'compaction')?.['compact_threshold'];
  return typeof threshold === 'number' && countInputTokens(body) > threshold;
}

const REASONING_BLOB_BYTES = 180;
const COMPACTION_BLOB_BYTES = 300;
const THOUGHTS = wordsOf('**Thinking it over** The user wants a short answer.');

function wantsSealedReasoning(body: JsonObject): boolean {
  return Array.isArray(body['include']) && body['include'].includes('reasoning.encrypted_content');
}

/** The calls of the round that so many tool outputs lead to: without counting them the directive would call for ever. */
function planCalls(body: JsonObject, script: Script, outputCount: number): OutputStep[] {
  let answered = 0;
  for (const round of script.rounds ?? []) {
    if (answered === outputCount) return round.map((call) => planScriptedCall(body, call));
    answered += round.length;
  }
  if (outputCount > 0) return [];
  if (script.call) return [planScriptedCall(body, script.call)];
  return script.shell === undefined ? [] : [planShellCall(body, script.shell)];
}

function planShellCall(body: JsonObject, command: string): OutputStep {
  const tool = findTool(body, 'exec_command');
  if (tool) return functionCall('exec_command', tool.namespace, { cmd: command });
  const shell = findTool(body, 'shell');
  return functionCall('shell', shell?.namespace ?? null, { command: ['bash', '-lc', command] });
}

function planScriptedCall(body: JsonObject, call: ScriptedCall): OutputStep {
  if (call.name === 'tool_search' && isObject(call.arguments)) {
    return { kind: 'tool_search_call', arguments: call.arguments };
  }
  if (call.input !== undefined) return { kind: 'custom_tool_call', name: call.name, input: call.input };
  return functionCall(call.name, findTool(body, call.name)?.namespace ?? null, call.arguments ?? {});
}

function functionCall(name: string, namespace: string | null, args: JsonObject | string): OutputStep {
  const text = typeof args === 'string' ? args : JSON.stringify(args);
  return { kind: 'function_call', name, namespace, arguments: text };
}

function planDeltas(script: Script, userText: string, toolOutput: string | null): readonly string[] {
  const big = script.big_event_bytes === undefined ? [] : ['x'.repeat(script.big_event_bytes)];
  if (script.deltas !== undefined) return [...big, ...generatedWords(script.deltas)];
  if (script.text !== undefined) return [...big, ...wordsOf(script.text)];
  if (big.length > 0) return big;
  return wordsOf(toolOutput === null ? greeting(userText) : `The command answered: ${shorten(toolOutput)}`);
}

const VOCABULARY = wordsOf(' the quick brown fox jumps over a lazy dog while seven wizards brew some strong tea');

function generatedWords(count: number): string[] {
  return Array.from({ length: count }, (_, index) => VOCABULARY[index % VOCABULARY.length] ?? ' word');
}

function greeting(userText: string): string {
  const said = shorten(withoutDirective(userText));
  const opening = said ? `You said: "${said}".` : 'Hello!';
  return `${opening} I am a simulated upstream, glad to help: each word here is one delta and one token on the bill.`;
}

const QUOTE_CHARS_MAX = 160;

function shorten(text: string): string {
  const plain = text.replaceAll(/\s+/g, ' ').trim();
  if (plain.length <= QUOTE_CHARS_MAX) return plain;
  // Both ends are kept: Codex puts the exit code first and the command's output last.
  return `${plain.slice(0, QUOTE_CHARS_MAX / 2)} … ${plain.slice(-QUOTE_CHARS_MAX / 2)}`;
}

function planEnding(fault: Fault | null): Ending {
  if (fault?.kind === 'incomplete') return { status: 'incomplete', reason: fault.reason ?? 'max_output_tokens' };
  if (fault?.kind !== 'failed' && fault?.kind !== 'error_event') return { status: 'completed' };
  const errorEvent = fault.kind === 'error_event';
  return {
    status: 'failed',
    code: fault.code ?? (errorEvent ? 'insufficient_quota' : 'server_error'),
    message: fault.message ?? (errorEvent ? QUOTA_MESSAGE : SERVER_MESSAGE),
    errorEvent,
    afterEvents: fault.after_events ?? 2,
  };
}

const QUOTA_MESSAGE = 'You exceeded your current quota, please check your plan and billing details.';
const SERVER_MESSAGE = 'The server had an error processing your request. Sorry about that!';
