import { planAnswer } from './answer-plan.js';
import { refusals } from './api-error.js';
import { Bill } from './bill.js';
import { inputItems } from './conversation.js';
import { playEarlyFault } from './early-fault.js';
import { newId } from './ids.js';
import type { JsonObject } from './json.js';
import { answerAsJson } from './json-answer.js';
import { ResponseObject } from './response-object.js';
import type { Answer, Call, Service } from './service.js';
import { answerAsStream } from './stream-answer.js';

/** Answers `POST /responses`. */
export async function createResponse(service: Service, call: Call): Promise<void> {
  const { exchange, body, script } = call;
  requireKnownPrevious(service, body['previous_response_id']);
  requireKnownItems(service, body);
  const streams = body['stream'] === true;
  // A JSON answer has no events to count: any hold stops it before its first byte.
  // What runs in the background is held there.
  const isHeld = !streams && body['background'] !== true;
  const holdTicket = isHeld && script.hold_after_events !== undefined ? service.gate.ticket : null;
  if (script.first_delay_ms) await exchange.delay(script.first_delay_ms);
  if (holdTicket !== null) await exchange.pause((resume) => service.gate.wait(holdTicket, resume));
  if (exchange.isClosed || (await playEarlyFault(call))) return;
  const answer = prepareAnswer(service, call);
  await (streams ? answerAsStream(service, call, answer) : answerAsJson(service, call, answer));
}

function requireKnownPrevious(service: Service, id: unknown): void {
  if (typeof id === 'string' && !service.stored.has(id)) throw refusals.unknownPreviousResponse(id);
}

/** An item reference may leave out its type. */
function requireKnownItems({ stored }: Service, body: JsonObject): void {
  for (const item of inputItems(body)) {
    const { id, type = null } = item;
    const isReference =
      type === 'item_reference' ||
      (type === null && Object.keys(item).every((name) => name === 'id' || name === 'type'));
    if (isReference && typeof id === 'string' && !stored.hasItem(id)) throw refusals.unknownItem(id);
  }
}

function prepareAnswer(service: Service, call: Call): Answer {
  const { exchange, body, model, script, fault } = call;
  const response = new ResponseObject(newId('resp'), body, script.service_tier);
  exchange.responseId = response.id;
  const input = service.promptCache.account(body);
  return {
    plan: planAnswer(body, script, fault, service),
    response,
    bill: new Bill(service.ledger, response.id, model, input, script.usage),
  };
}
