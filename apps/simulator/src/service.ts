import type { CompactedContents, CompactionKnowledge } from './compacted-contents.js';
import { inputItems } from './conversation.js';
import { requireValidInput } from './input-checks.js';
import type { AnswerPlan } from './answer-plan.js';
import { refusals } from './api-error.js';
import type { Bill } from './bill.js';
import type { Exchange } from './exchange.js';
import type { Fault } from './fault.js';
import type { JsonObject } from './json.js';
import type { Ledger } from './ledger.js';
import type { ReleaseGate } from './release-gate.js';
import type { ResponseObject } from './response-object.js';
import { findScript, type FoundScript, type Script } from './script.js';
import type { Seal } from './seal.js';
import type { StoredResponses } from './stored-responses.js';
import { countInputTokens, type PromptCache } from './usage.js';

/** The state that all requests of one simulator share. */
export interface Service {
  contents: CompactedContents;
  compaction: CompactionKnowledge;
  contextWindowTokens: number;
  isStrict: boolean;
  /** The models served; null serves any. */
  models: readonly string[] | null;
  ledger: Ledger;
  stored: StoredResponses;
  promptCache: PromptCache;
  gate: ReleaseGate;
  seal: Seal;
  directiveUses: DirectiveUses;
  deltaDelayMs: number;
}

/** A request whose model and script are settled. */
export interface Call {
  exchange: Exchange;
  body: JsonObject;
  model: string;
  script: Script;
  /** The scripted fault, null when there is none or its times are over. */
  fault: Fault | null;
}

/** What a call is answered with. */
export interface Answer {
  plan: AnswerPlan;
  response: ResponseObject;
  bill: Bill;
}

/** Stores a finished response, unless the request forbids it. */
export function keepAnswer(service: Service, call: Call, responseId: string, json: string): void {
  if (call.body['store'] !== false) service.stored.keep(responseId, { json, request: call.body, run: null });
}

/** Checks the model and reads the script; refuses as OpenAI does. */
export function acceptCall(service: Service, exchange: Exchange, body: JsonObject): Call {
  const model = body['model'];
  if (typeof model !== 'string' || model === '') throw refusals.missingParameter('model');
  if (service.models && !service.models.includes(model)) throw refusals.unknownModel(model);
  if (service.compaction === 'unknown') requireNoCompaction(body);
  if (service.isStrict) requireValidInput(body);
  service.seal.requireOwn(body);
  if (countInputTokens(body) > service.contextWindowTokens) throw refusals.contextExceeded();
  const found = findScript(exchange.headers, body);
  return { exchange, body, model, script: found.script, fault: service.directiveUses.faultOf(found) };
}

/** Refuses what a service without compaction does not know. */
function requireNoCompaction(body: JsonObject): void {
  if (body['context_management'] !== undefined) throw refusals.unknownParameter('context_management');
  for (const [index, { type }] of inputItems(body).entries()) {
    if (type === 'compaction' || type === 'compaction_trigger') {
      throw refusals.invalidItem(index, `Invalid value: '${type}'. Supported values are: 'message', 'reasoning'.`);
    }
  }
}

const DIRECTIVES_MAX = 1000;

/** Counts the uses of each directive, for faults that go away after some `times`. */
export class DirectiveUses {
  private readonly usesBySource = new Map<string, number>();

  /** The fault of this use of a script; null when the script has none or it was used up. */
  faultOf({ script, source }: FoundScript): Fault | null {
    const times = script.fault?.times ?? script.times;
    if (!script.fault || times === undefined) return script.fault ?? null;
    const uses = (this.usesBySource.get(source) ?? 0) + 1;
    if (uses === 1 && this.usesBySource.size >= DIRECTIVES_MAX) this.usesBySource.clear();
    this.usesBySource.set(source, uses);
    return uses <= times ? script.fault : null;
  }
}
