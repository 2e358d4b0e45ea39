import type { AnswerPlan, Ending } from './answer-plan.js';
import { type OutputItem, outputItem } from './output-item.js';
import type { ResponseObject } from './response-object.js';
import { NO_OUTPUT, type OutputUsage } from './usage.js';

/** One event of a stream, ready to be framed. */
export interface StreamEvent {
  type: string;
  /** The `data:` line's JSON. */
  json: string;
  /** Whether a client shows its text at once, so that a pace is kept after it. */
  isDelta: boolean;
  /** Output tokens generated up to and including this event. */
  generated: OutputUsage;
}

/** The answer as an event sequence: in true order, numbered from 0 without gaps, the last event terminal. */
export function eventSequence(
  plan: AnswerPlan,
  response: ResponseObject,
  usageJson: (generated: OutputUsage) => string | undefined,
): StreamEvent[] {
  const sequence = new EventList();
  const running = response.toJson({ status: 'in_progress', usage: 'null' });
  sequence.add('response.created', `,"response":${running}`);
  sequence.add('response.in_progress', `,"response":${running}`);
  if (plan.unknownEvents) sequence.add('acme:trace', ',"trace":{"span":"simulated","hops":3}');
  if (plan.keepalive) sequence.add('keepalive');
  const items = plan.steps.map((step) =>
    outputItem(step, plan.ending.status === 'incomplete' ? 'incomplete' : 'completed'),
  );
  for (const [index, item] of items.entries()) addItem(sequence, item, index, plan.keepalive);
  if (plan.ending.status === 'failed') {
    addFailure(sequence, plan.ending, response, usageJson);
    return sequence.events;
  }
  const ended = response.toJson({
    status: plan.ending.status,
    output: items.map((item) => item.done),
    usage: usageJson(sequence.generated),
    ...(plan.ending.status === 'incomplete' ? { incompleteReason: plan.ending.reason } : {}),
  });
  sequence.add(`response.${plan.ending.status}`, `,"response":${ended}`);
  return sequence.events;
}

class EventList {
  readonly events: StreamEvent[] = [];
  generated = NO_OUTPUT;

  add(type: string, rest = '', tokens: OutputUsage | null = null, isDelta = false): void {
    if (tokens) {
      this.generated = {
        outputTokens: this.generated.outputTokens + tokens.outputTokens,
        reasoningTokens: this.generated.reasoningTokens + tokens.reasoningTokens,
      };
    }
    const json = `{"type":"${type}","sequence_number":${this.events.length}${rest}}`;
    this.events.push({ type, json, isDelta, generated: this.generated });
  }

  cutTo(eventCount: number): void {
    this.events.length = Math.min(eventCount, this.events.length);
    this.generated = this.events.at(-1)?.generated ?? NO_OUTPUT;
  }
}

const KEEPALIVE_EVERY = 5;

function addItem(sequence: EventList, item: OutputItem, index: number, keepalive: boolean): void {
  const names = ITEM_EVENTS[item.kind];
  const at = `,"item_id":"${item.id}","output_index":${index}`;
  sequence.add('response.output_item.added', `,"output_index":${index},"item":${item.added}`);
  if (names) {
    const within = at + names.within;
    if (names.part) sequence.add(`${names.part}.added`, `${within},"part":${names.partJson('""')}`);
    for (const [count, delta] of item.deltas.entries()) {
      sequence.add(names.delta, `${within},"delta":${JSON.stringify(delta)}${names.suffix}`, item.perDelta, true);
      if (keepalive && count % KEEPALIVE_EVERY === KEEPALIVE_EVERY - 1) sequence.add('keepalive');
    }
    const whole = JSON.stringify(item.deltas.join(''));
    sequence.add(names.done, `${within},"${names.whole}":${whole}${names.suffix}`);
    if (names.part) sequence.add(`${names.part}.done`, `${within},"part":${names.partJson(whole)}`);
  }
  sequence.add('response.output_item.done', `,"output_index":${index},"item":${item.done}`, item.atDone);
}

interface ItemEvents {
  part: string | null;
  partJson: (textJson: string) => string;
  /** Fields that say where inside the item the event belongs. */
  within: string;
  delta: string;
  done: string;
  /** The done event's field with the whole text. */
  whole: string;
  suffix: string;
}

const NO_PART = { part: null, partJson: () => '', within: '', suffix: '' };

const ITEM_EVENTS: Record<OutputItem['kind'], ItemEvents | null> = {
  message: {
    part: 'response.content_part',
    partJson: (text) => `{"type":"output_text","annotations":[],"logprobs":[],"text":${text}}`,
    within: ',"content_index":0',
    delta: 'response.output_text.delta',
    done: 'response.output_text.done',
    whole: 'text',
    suffix: ',"logprobs":[]',
  },
  reasoning: {
    part: 'response.reasoning_summary_part',
    partJson: (text) => `{"type":"summary_text","text":${text}}`,
    within: ',"summary_index":0',
    delta: 'response.reasoning_summary_text.delta',
    done: 'response.reasoning_summary_text.done',
    whole: 'text',
    suffix: '',
  },
  function_call: {
    ...NO_PART,
    delta: 'response.function_call_arguments.delta',
    done: 'response.function_call_arguments.done',
    whole: 'arguments',
  },
  custom_tool_call: {
    ...NO_PART,
    delta: 'response.custom_tool_call_input.delta',
    done: 'response.custom_tool_call_input.done',
    whole: 'input',
  },
  tool_search_call: null,
  compaction: null,
};

function addFailure(
  sequence: EventList,
  ending: Ending & { status: 'failed' },
  response: ResponseObject,
  usageJson: (generated: OutputUsage) => string | undefined,
): void {
  sequence.cutTo(ending.afterEvents);
  const { code, message } = ending;
  if (ending.errorEvent) {
    sequence.add('error', `,"error":${JSON.stringify({ type: code, code, message, param: null })}`);
  }
  const usage = usageJson(sequence.generated);
  const failed = response.toJson({ status: 'failed', usage, error: { code, message } });
  sequence.add('response.failed', `,"response":${failed}`);
}
