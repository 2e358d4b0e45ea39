/** Says that a number of tokens was estimated by the gateway and not counted by the model's provider. */
export const ESTIMATED_HEADER = 'x-tollgate-estimated';

/** The answer of `POST /v1/responses/input_tokens`. */
export function inputTokensAnswer(inputTokens: number): Buffer {
  return Buffer.from(JSON.stringify({ object: 'response.input_tokens', input_tokens: inputTokens }));
}
