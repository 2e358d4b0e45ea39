import { ApiError } from './api-error.js';
import type { Exchange } from './exchange.js';
import type { Fault } from './fault.js';
import { JSON_TYPE, modelHeaders, serviceHeaders, SSE_TYPE } from './response-headers.js';
import type { Call } from './service.js';

const RESET_DELAY_MS = 10;

/** Plays a fault that leaves no room for an answer; false when the fault (or none) is of another kind. */
export async function playEarlyFault({ exchange, fault, body, model }: Call): Promise<boolean> {
  switch (fault?.kind) {
    case 'status':
      sendStatus(exchange, fault);
      return true;
    case 'html':
      sendHtml(exchange, fault.status ?? 502);
      return true;
    case 'json_error_200':
      sendWhole(exchange, 200, JSON_TYPE, statusError({ kind: 'status', status: 500 }).toJson());
      return true;
    case 'reset_before_headers':
      exchange.reset();
      return true;
    case 'reset_after_headers':
      exchange.sendHead(200, modelHeaders(exchange, body['stream'] === true ? SSE_TYPE : JSON_TYPE, model));
      await exchange.flushHead();
      // A client that polls headers and reset at once sees a clean end: it is given time to read the headers first.
      await exchange.delay(RESET_DELAY_MS);
      exchange.reset();
      return true;
    case 'no_headers':
      await exchange.untilClosed();
      return true;
    default:
      return false;
  }
}

type StatusFault = Fault & { kind: 'status' };

function sendStatus(exchange: Exchange, fault: StatusFault): void {
  const error = statusError(fault);
  sendWhole(exchange, error.status, JSON_TYPE, error.toJson(), fault.headers);
}

function sendHtml(exchange: Exchange, status: number): void {
  const page = `<html>\r\n<head><title>${status} Bad Gateway</title></head>\r\n<body>\r\n<center><h1>${status} Bad Gateway</h1></center>\r\n<hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n`;
  sendWhole(exchange, status, 'text/html', page);
}

function sendWhole(
  exchange: Exchange,
  status: number,
  type: string,
  text: string,
  extra?: Record<string, string>,
): void {
  const body = Buffer.from(text);
  exchange.sendHead(status, { ...serviceHeaders(exchange, type), 'content-length': body.length, ...extra });
  exchange.end(body);
}

interface UsualError {
  type: string;
  code: string | null;
  message: string;
}

const USUAL_ERRORS: Record<number, UsualError> = {
  401: { type: 'invalid_request_error', code: 'invalid_api_key', message: 'Incorrect API key provided: sk-sim***.' },
  429: {
    type: 'requests',
    code: 'rate_limit_exceeded',
    message: 'Rate limit reached for requests. Limit: 60 / min. Please try again in 1s.',
  },
  503: {
    type: 'service_unavailable_error',
    code: 'server_is_overloaded',
    message: 'The server is currently overloaded, please try again later.',
  },
};
const REFUSAL: UsualError = { type: 'invalid_request_error', code: null, message: 'The request was refused.' };
const SERVER_ERROR: UsualError = {
  type: 'server_error',
  code: 'server_error',
  message: 'The server had an error while processing your request. Sorry about that!',
};

function statusError(fault: StatusFault): ApiError {
  const status = fault.status ?? 500;
  const usual = USUAL_ERRORS[status] ?? (status >= 500 ? SERVER_ERROR : REFUSAL);
  return new ApiError(status, {
    message: fault.message ?? usual.message,
    type: fault.type ?? usual.type,
    param: fault.param ?? null,
    code: fault.code === undefined ? usual.code : fault.code,
    ...fault.extra,
  });
}
