import { request as httpRequest } from 'node:http';

/**
 * Sends a whole call and leaves after so long, at whatever it is then; resolves when it has left.
 *
 * @param isReset leaves without a goodbye (RST)
 */
export function leavingCall(
  url: string,
  body: string,
  { secret, afterMs, isReset = false }: { secret: string; afterMs: number; isReset?: boolean },
): Promise<void> {
  return new Promise((resolve) => {
    const request = httpRequest(`${url}/v1/responses`, {
      method: 'POST',
      agent: false,
      headers: { authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
    });
    const leave = (): void => {
      if (isReset) request.socket?.resetAndDestroy();
      request.destroy();
    };
    request.on('error', () => undefined).on('close', () => resolve());
    request.on('response', (response) => response.on('error', () => undefined).resume());
    request.end(body, () => setTimeout(leave, afterMs));
  });
}
