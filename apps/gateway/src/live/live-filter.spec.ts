import { LiveFilter } from './live-filter.js';

const ROW = {
  status: 429,
  outcome: 'limited',
  kind: 'response',
  key_id: 'key-1',
  group_id: 'group-1',
  model: 'gpt-5.5',
  upstream_id: null,
  session_id: 'session-1',
  client: 'codex_exec/0.169.0',
  error_code: 'rate_limit_exceeded',
};

describe('the filter of a live tail', () => {
  it.each([
    ['everything', {}, true],
    ['any value of a name', { key: ['key-2', 'key-1'] }, true],
    ['all names', { key: ['key-1'], model: ['gpt-6'] }, false],
    ['a status', { status: ['429'] }, true],
    ['a class of statuses', { status: ['5xx', '4xx'] }, true],
    ['another class', { status: ['5xx'] }, false],
    ['a client of any version', { client: ['codex_exec'] }, true],
    ['a client of another version', { client: ['codex_exec/0.168.0'] }, false],
    ['nothing that a request does not have', { upstream: [''] }, false],
  ])('finds %s', (_, query, fits) => {
    expect(new LiveFilter(query).fits(ROW)).toBe(fits);
  });
});
