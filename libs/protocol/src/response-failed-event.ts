/**
 * The event that ends a stream whose upstream broke off. Codex shows its message and retries; an SDK gets an event in
 * place of a silent end (codex-cli.md §8, protocol.md §2.6).
 */
export function responseFailedEvent(failure: {
  responseId: string;
  sequenceNumber: number;
  model: string;
  createdAtSeconds: number;
  code: string;
  message: string;
}): Buffer {
  const event = {
    type: 'response.failed',
    sequence_number: failure.sequenceNumber,
    response: {
      id: failure.responseId,
      object: 'response',
      created_at: failure.createdAtSeconds,
      status: 'failed',
      error: { code: failure.code, message: failure.message },
      incomplete_details: null,
      model: failure.model,
      output: [],
      usage: null,
    },
  };
  return Buffer.from(`event: response.failed\ndata: ${JSON.stringify(event)}\n\n`);
}
