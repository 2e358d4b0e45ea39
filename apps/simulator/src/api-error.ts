/** The fields of OpenAI's error object. */
export interface ErrorFields {
  message: string;
  type: string;
  param: string | null;
  code: string | null;
}

/** A refusal in OpenAI's shape; thrown where known, answered in one place. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly fields: ErrorFields,
  ) {
    super(fields.message);
  }

  /** The wire body: `{"error":{…}}`. */
  toJson(): string {
    return JSON.stringify({ error: this.fields });
  }
}

/** Every refusal that the simulated service knows. */
export const refusals = {
  badJson: () =>
    refuse(400, null, null, 'We could not parse the JSON body of your request. The body must be one JSON object.'),
  missingParameter: (name: string) =>
    refuse(400, name, 'missing_required_parameter', `Missing required parameter: '${name}'.`),
  unknownModel: (model: string) =>
    refuse(400, 'model', 'model_not_found', `The requested model '${model}' does not exist.`),
  modelNotListed: (model: string) =>
    refuse(404, 'model', 'model_not_found', `The model '${model}' does not exist or you do not have access to it.`),
  unknownResponse: (id: string) => refuse(404, null, null, `Response with id '${id}' not found.`),
  unknownPreviousResponse: (id: string) =>
    refuse(400, 'previous_response_id', 'previous_response_not_found', `Previous response with id '${id}' not found.`),
  unknownItem: (id: string) => refuse(404, 'input', null, `Item with id '${id}' not found.`),
  foreignSeal: (index: number) =>
    refuse(
      400,
      `input[${index}].encrypted_content`,
      'invalid_encrypted_content',
      'The encrypted content could not be verified. Reason: Encrypted content could not be decrypted or parsed.',
    ),
  invalidItem: (index: number, complaint: string) => refuse(400, `input[${index}]`, 'invalid_value', complaint),
  outputWithoutCall: (index: number, callId: string) =>
    refuse(400, `input[${index}]`, null, `No tool call found for function call output with call_id ${callId}.`),
  unansweredCall: (type: string, callId: string) =>
    refuse(400, 'input', null, `No tool output found for ${type} ${callId}.`),
  unknownParameter: (name: string) => refuse(400, name, 'unknown_parameter', `Unknown parameter: '${name}'.`),
  contextExceeded: () =>
    refuse(
      400,
      'input',
      'context_length_exceeded',
      'Your input exceeds the context window of this model. Please adjust your input and try again.',
    ),
  notCancellable: () => refuse(400, null, null, 'Cannot cancel a synchronous response.'),
  notReplayable: () =>
    refuse(400, 'stream', null, 'This response cannot be streamed because it was not created with background=true.'),
  badStartingAfter: () =>
    refuse(400, 'starting_after', null, "Invalid value for 'starting_after': expected an integer."),
  unknownRoute: (method: string, path: string) => refuse(404, null, null, `Invalid URL (${method} ${path})`),
  wrongMethod: (method: string, path: string) =>
    refuse(405, null, 'method_not_supported', `Not allowed to ${method} on ${path}.`),
  upgradeOnly: () => refuse(426, null, null, 'WebSocket mode is not served here. Use POST /v1/responses.'),
  bodyTooLarge: () => refuse(413, null, 'request_too_large', 'The request body is larger than 64 MiB.'),
  unknownEncoding: (encoding: string) =>
    refuse(415, null, 'unsupported_content_encoding', `Content-Encoding '${encoding}' is not supported.`),
  corruptEncoding: (encoding: string) =>
    refuse(400, null, 'invalid_content_encoding', `The request body is not valid ${encoding}.`),
  badScript: (reason: string) => refuse(400, null, 'invalid_simulator_script', `Simulator script: ${reason}`),
} satisfies Record<string, (...details: never[]) => ApiError>;

function refuse(status: number, param: string | null, code: string | null, message: string): ApiError {
  return new ApiError(status, { message, type: 'invalid_request_error', param, code });
}
