import { GatewayError } from '@app/protocol';
import { storedCall } from './stored-route.js';

describe('storedCall', () => {
  it.each([
    ['retrieve', '', 'GET', '/responses/resp_1'],
    ['delete', '?include=x', 'DELETE', '/responses/resp_1'],
    ['cancel', '?beta=true', 'POST', '/responses/resp_1/cancel'],
    ['input_items', '', 'GET', '/responses/resp_1/input_items'],
  ] as const)('gives %s%s the upstream’s method and path', (kind, query, method, route) => {
    expect(storedCall(kind, 'resp_1', `/v1/responses/x${query}`)).toEqual({ method, route, isStream: false });
  });

  it('passes on what upstreams know, lists by both names and whole, and drops the rest', () => {
    const url =
      '/x?include[]=a.b&include=c&include%5B%5D=d%26e&stream=true&stream=false&api_key=k&starting_after=3&limit=2';
    expect(storedCall('retrieve', 'resp_1', url)).toMatchObject({
      route: '/responses/resp_1?include=c&include%5B%5D=a.b&include%5B%5D=d%26e&stream=true&starting_after=3',
      isStream: true,
    });
    expect(storedCall('input_items', 'resp_1', '/x?limit=2&order=asc&after=msg_1&stream=true')).toMatchObject({
      route: '/responses/resp_1/input_items?limit=2&order=asc&after=msg_1',
      isStream: false,
    });
  });

  it.each(['', '-1', '1.5', 'x', ' 1', '1e3', '9'.repeat(16)])('refuses starting_after=%s', (value) => {
    const call = () => storedCall('retrieve', 'resp_1', `/x?starting_after=${encodeURIComponent(value)}`);
    expect(call).toThrow(GatewayError);
    expect(call).toThrow(expect.objectContaining({ status: 400, options: { param: 'starting_after' } }));
  });

  it.each([
    ['../models', '..%2Fmodels'],
    ['a/b?c#d', 'a%2Fb%3Fc%23d'],
    ['a%2Fb', 'a%252Fb'],
    ['"é\u{1F600}', '%22%C3%A9%F0%9F%98%80'],
  ])('lets no id change the path: %s', (id, encoded) => {
    expect(storedCall('retrieve', id, '/x').route).toBe(`/responses/${encoded}`);
  });
});
