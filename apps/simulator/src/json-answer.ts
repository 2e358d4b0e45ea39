import { gzipSync } from 'node:zlib';
import type { AnswerPlan } from './answer-plan.js';
import { BackgroundRun } from './background-run.js';
import { cutFault, type CutFault } from './fault.js';
import { itemUsage, type OutputItem, outputItem } from './output-item.js';
import { JSON_TYPE, modelHeaders } from './response-headers.js';
import type { ResponseState } from './response-object.js';
import { type Answer, type Call, keepAnswer, type Service } from './service.js';
import { NO_OUTPUT, type OutputUsage } from './usage.js';

/** Answers by one JSON object; its bill is settled when it is generated, which is before the first byte. */
export async function answerAsJson(service: Service, call: Call, answer: Answer): Promise<void> {
  const { plan, response, bill } = answer;
  const items = plan.steps.map((step) =>
    outputItem(step, plan.ending.status === 'incomplete' ? 'incomplete' : 'completed'),
  );
  const hasFailed = plan.ending.status === 'failed';
  const generated = hasFailed ? NO_OUTPUT : sumOf(items);
  const usage = hasFailed ? bill.shownOnFailure() : bill.shown(generated);
  const json = response.toJson({ ...endState(plan, items), usage });
  const cut = cutFault(call.fault);
  if (call.body['background'] === true) {
    const end = { json, settle: () => bill.settleEnded(plan.ending.status, generated) };
    new BackgroundRun(service, call, answer, end, null).endOnRelease();
    return sendJson(call, response.toJson({ status: 'queued', usage: 'null' }), cut);
  }
  call.exchange.onClose = () =>
    bill.settleCut(call.exchange.closedBy === 'client' ? 'aborted' : 'broke_off', generated);
  if (!cut) bill.settleEnded(plan.ending.status, generated);
  else if (cut.kind !== 'stall') bill.settleCut('broke_off', generated);
  keepAnswer(service, call, response.id, json);
  await sendJson(call, json, cut);
}

/** Sends the JSON answer of a model, whole or cut in the middle. */
export async function sendJson({ exchange, model, script }: Call, json: string, cut: CutFault | null): Promise<void> {
  const bytes = script.gzip ? gzipSync(json) : Buffer.from(json);
  const headers = {
    ...modelHeaders(exchange, JSON_TYPE, script.model_header ?? model),
    ...(script.gzip ? { 'content-encoding': 'gzip' } : {}),
  };
  // A clean end in the middle is only possible when no length was promised.
  exchange.sendHead(200, cut?.kind === 'clean_eof' ? headers : { ...headers, 'content-length': bytes.length });
  if (!cut) return exchange.end(bytes);
  exchange.send(bytes.subarray(0, bytes.length / 2));
  await exchange.flushed();
  if (cut.kind === 'clean_eof') return exchange.end();
  if (cut.kind === 'break_off') return exchange.destroy();
  return exchange.untilClosed();
}

function endState({ ending }: AnswerPlan, items: readonly OutputItem[]): Omit<ResponseState, 'usage'> {
  const output = items.map((item) => item.done);
  if (ending.status === 'completed') return { status: 'completed', output };
  if (ending.status === 'incomplete') return { status: 'incomplete', output, incompleteReason: ending.reason };
  return { status: 'failed', error: { code: ending.code, message: ending.message } };
}

function sumOf(items: readonly OutputItem[]): OutputUsage {
  let { outputTokens, reasoningTokens } = NO_OUTPUT;
  for (const usage of items.map(itemUsage)) {
    outputTokens += usage.outputTokens;
    reasoningTokens += usage.reasoningTokens;
  }
  return { outputTokens, reasoningTokens };
}
