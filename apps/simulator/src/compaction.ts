import { planCompaction } from './answer-plan.js';
import { refusals } from './api-error.js';
import { Bill } from './bill.js';
import { completedItem, inputItems, isUserMessage } from './conversation.js';
import { playEarlyFault } from './early-fault.js';
import { cutFault } from './fault.js';
import { newId } from './ids.js';
import { sendJson } from './json-answer.js';
import { itemUsage, outputItem } from './output-item.js';
import type { Call, Service } from './service.js';
import { countInputTokens } from './usage.js';

/** Answers `POST /responses/compact`: the user messages as they are, then one compaction item. */
export async function compactConversation(service: Service, call: Call): Promise<void> {
  const { exchange, body, model, script, fault } = call;
  if (service.compaction !== 'native') throw refusals.unknownRoute('POST', '/v1/responses/compact');
  if (script.first_delay_ms) await exchange.delay(script.first_delay_ms);
  if (exchange.isClosed || (await playEarlyFault(call))) return;
  const id = newId('resp');
  exchange.responseId = id;
  const input = service.promptCache.account(body);
  const bill = new Bill(service.ledger, id, model, input, script.usage);
  const compaction = outputItem(planCompaction(service, body), 'completed');
  const generated = itemUsage(compaction);
  const messages = inputItems(body).filter(isUserMessage).map(completedItem);
  const output = [...messages.map((message) => JSON.stringify(message)), compaction.done];
  const usage = bill.shown(generated);
  const json =
    `{"id":"${id}","object":"response.compaction","created_at":${Math.floor(Date.now() / 1000)},` +
    `"output":[${output.join(',')}]${usage === undefined ? '' : `,"usage":${usage}`}}`;
  const cut = cutFault(fault);
  if (cut) bill.settleCut('broke_off', generated);
  else bill.settleEnded('completed', generated);
  await sendJson(call, json, cut);
}

/** Answers `POST /responses/input_tokens`; counting is not billed. */
export async function countTokens(call: Call): Promise<void> {
  const { exchange, body, script, fault } = call;
  if (script.first_delay_ms) await exchange.delay(script.first_delay_ms);
  if (exchange.isClosed || (await playEarlyFault(call))) return;
  const json = JSON.stringify({ object: 'response.input_tokens', input_tokens: countInputTokens(body) });
  await sendJson(call, json, cutFault(fault));
}
