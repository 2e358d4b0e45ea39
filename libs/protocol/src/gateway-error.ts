import { ERROR_CATALOGUE, type ErrorCode } from './error-catalogue.js';

export interface GatewayErrorOptions {
  /** The request field at fault. */
  param?: string;
  retryAfterSeconds?: number;
  headers?: Readonly<Record<string, string>>;
  /** The client gets a null for the code, as OpenAI sends none; the log gets it. */
  isCodeHidden?: boolean;
  /** The check that refused, as `POST /admin/v1/explain` names it. */
  rule?: string;
  /** Further members of the error object. */
  details?: Readonly<Record<string, unknown>>;
  /** What really happened: for the log, never for the client. */
  cause?: unknown;
}

/**
 * A failure that Tollgate answers itself. `code` decides status and type (see the catalogue) and is stable for clients;
 * `message` is a full sentence that says what to do.
 */
export class GatewayError extends Error {
  readonly status: number;
  readonly type: string;

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly options: GatewayErrorOptions = {},
  ) {
    super(message, { cause: options.cause });
    this.status = ERROR_CATALOGUE[code].status;
    this.type = ERROR_CATALOGUE[code].type;
  }

  /** The body in OpenAI's shape, which both Codex and the SDKs read. */
  toBody(): { error: { message: string; type: string; param: string | null; code: string | null; rule?: string } } {
    const { param = null, isCodeHidden = false, rule, details } = this.options;
    const code = isCodeHidden ? null : this.code;
    const { message, type } = this;
    return { error: { message, type, param, code, ...(rule === undefined ? {} : { rule }), ...details } };
  }

  /** The same failure with the name of the check that refused. */
  withRule(rule: string): GatewayError {
    return new GatewayError(this.code, this.message, { ...this.options, rule });
  }

  /** Response headers that belong to the error. */
  toHeaders(): Record<string, string> {
    const { retryAfterSeconds, headers } = this.options;
    if (retryAfterSeconds === undefined) return { ...headers };
    return {
      ...headers,
      'retry-after': String(Math.ceil(retryAfterSeconds)),
      'retry-after-ms': String(Math.round(retryAfterSeconds * 1000)),
    };
  }
}
