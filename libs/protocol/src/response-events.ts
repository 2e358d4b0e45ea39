import { type ItemEvent, itemEvents, itemsWithIds, type ResponseJson } from './output-item-events.js';

/**
 * Tells a finished response as the stream of events that would have led to it, one buffer for each event: in the order of
 * the real API, numbered from 0 without gaps, the last one terminal (protocol.md §2). Items that lack an id, or share one,
 * get one of their own, and a response without an id gets `fallbackId`: clients follow a stream by its ids.
 */
export function* responseEvents(response: ResponseJson, fallbackId: string): Generator<Buffer, void> {
  const id = typeof response.id === 'string' && response.id !== '' ? response.id : fallbackId;
  const items = Array.isArray(response.output) ? itemsWithIds(response.output, id) : [];
  const ended = { ...response, id, ...(Array.isArray(response.output) ? { output: items } : {}) };
  const running = runningResponse(ended);
  let sequenceNumber = 0;
  yield frame({ type: 'response.created', response: running }, sequenceNumber++);
  yield frame({ type: 'response.in_progress', response: running }, sequenceNumber++);
  for (const [index, item] of items.entries()) {
    for (const event of itemEvents(item, index)) yield frame(event, sequenceNumber++);
  }
  yield frame({ type: terminalType(response), response: ended }, sequenceNumber);
}

/** The type stands first and the number second: readers of streams look for both at the start of the line. */
function frame({ type, ...fields }: ItemEvent, sequenceNumber: number): Buffer {
  return Buffer.from(
    `event: ${type}\ndata: ${JSON.stringify({ type, sequence_number: sequenceNumber, ...fields })}\n\n`,
  );
}

/** The response as it was shown before its first item. */
function runningResponse(ended: ResponseJson): ResponseJson {
  const { output_text: _, ...rest } = ended;
  const ends = ['completed_at', 'error', 'incomplete_details'].filter((name) => name in rest);
  const unset = Object.fromEntries(ends.map((name) => [name, null]));
  return { ...rest, ...unset, status: 'in_progress', output: [], usage: null };
}

/** A response that says nothing of its status is done; one that is said to be unfinished must not pass for done. */
function terminalType({ status, error }: ResponseJson): string {
  if (status === 'failed' || status === 'cancelled') return 'response.failed';
  if (status === 'completed') return 'response.completed';
  if (typeof status === 'string') return 'response.incomplete';
  return error === null || error === undefined ? 'response.completed' : 'response.failed';
}
