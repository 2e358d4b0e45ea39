import { isObject, type JsonObject } from './json.js';

/** The states a response object is shown in. */
export type ResponseStatus = 'queued' | 'in_progress' | 'completed' | 'incomplete' | 'failed' | 'cancelled';

/** What changes from one showing of a response object to the next; texts are JSON. */
export interface ResponseState {
  status: ResponseStatus;
  output?: readonly string[];
  /** JSON of the usage; undefined leaves the key out. */
  usage: string | undefined;
  error?: { code: string; message: string };
  incompleteReason?: string;
}

/** A response object whose unchanging part (the echo of the request) is serialised only once. */
export class ResponseObject {
  private readonly createdAt = Math.floor(Date.now() / 1000);
  private readonly echo: string;
  private readonly tierAsked: string;
  private readonly tierUsed: string;

  constructor(
    readonly id: string,
    body: JsonObject,
    tierUsed?: string,
  ) {
    this.tierAsked = typeof body['service_tier'] === 'string' ? body['service_tier'] : 'auto';
    this.tierUsed = tierUsed ?? (this.tierAsked === 'auto' ? 'default' : this.tierAsked);
    this.echo = JSON.stringify(echoOf(body)).slice(1, -1);
  }

  /** The whole object as JSON. */
  toJson(state: ResponseState): string {
    const isOver = state.status === 'completed';
    const error = state.error ? JSON.stringify(state.error) : 'null';
    const incomplete = state.incompleteReason ? JSON.stringify({ reason: state.incompleteReason }) : 'null';
    // As captured from the real service: the tier asked for while running, the tier used at the end.
    const isRunning = state.status === 'in_progress' || state.status === 'queued';
    const tier = JSON.stringify(isRunning ? this.tierAsked : this.tierUsed);
    return (
      `{"id":"${this.id}","object":"response","created_at":${this.createdAt},"status":"${state.status}",` +
      `"completed_at":${isOver ? Math.floor(Date.now() / 1000) : 'null'},"error":${error},` +
      `"incomplete_details":${incomplete},"output":[${state.output?.join(',') ?? ''}],"service_tier":${tier},` +
      `${this.echo}${state.usage === undefined ? '' : `,"usage":${state.usage}`}}`
    );
  }
}

function echoOf(body: JsonObject): JsonObject {
  const reasoning = isObject(body['reasoning']) ? body['reasoning'] : {};
  const text = isObject(body['text']) ? body['text'] : {};
  return {
    background: body['background'] ?? false,
    frequency_penalty: 0,
    instructions: body['instructions'] ?? null,
    max_output_tokens: body['max_output_tokens'] ?? null,
    max_tool_calls: body['max_tool_calls'] ?? null,
    model: body['model'],
    parallel_tool_calls: body['parallel_tool_calls'] ?? true,
    presence_penalty: 0,
    previous_response_id: body['previous_response_id'] ?? null,
    prompt_cache_key: body['prompt_cache_key'] ?? null,
    prompt_cache_retention: body['prompt_cache_retention'] ?? null,
    reasoning: { effort: reasoning['effort'] ?? null, summary: reasoning['summary'] ?? null },
    safety_identifier: body['safety_identifier'] ?? null,
    store: body['store'] ?? true,
    temperature: body['temperature'] ?? 1,
    text: { format: text['format'] ?? { type: 'text' }, verbosity: text['verbosity'] ?? 'medium' },
    tool_choice: body['tool_choice'] ?? 'auto',
    tools: body['tools'] ?? [],
    top_logprobs: body['top_logprobs'] ?? 0,
    top_p: body['top_p'] ?? 1,
    truncation: body['truncation'] ?? 'disabled',
    user: body['user'] ?? null,
    metadata: body['metadata'] ?? {},
  };
}
