import { normalizeBaseUrl } from './base-url.js';

describe('normalizeBaseUrl', () => {
  it.each([
    ['https://api.openai.com/v1', 'https://api.openai.com/v1'],
    ['https://api.openai.com/v1/', 'https://api.openai.com/v1'],
    ['http://127.0.0.1:8000', 'http://127.0.0.1:8000/v1'],
    ['http://127.0.0.1:8000/', 'http://127.0.0.1:8000/v1'],
    ['https://host/backend-api/codex', 'https://host/backend-api/codex'],
    ['HTTPS://API.EXAMPLE.com/V1', 'https://api.example.com/V1'],
  ])('%s is stored as %s', (text, stored) => expect(normalizeBaseUrl(text)).toBe(stored));

  it.each([
    '',
    'api.openai.com',
    'ftp://x',
    'http://user:pw@x',
    'http://x?a=1',
    'http://x#y',
    'javascript:alert(1)',
    'https://x/\\y',
    'https://x\t.y',
    ' https://x',
    'https://x\r\nhost: y',
    'https://[fe80::1%25eth0]',
  ])('%j is refused', (text) => expect(normalizeBaseUrl(text)).toBeNull());
});
