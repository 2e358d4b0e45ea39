import { scrub } from './scrub.js';

describe('scrub', () => {
  it.each([
    ['Incorrect API key provided: sk-proj-abcdefghijklmnop.', 'Incorrect API key provided: sk-proj….'],
    ['sk-tg-0123456789abcdef of ours', 'sk-tg-0123456789abcdef of ours'.replace('sk-tg-0123456789abcdef', 'sk-tg…')],
    ['an admin token tga-0123456789', 'an admin token tga-0123…'],
    ['signed by whsec_MfKQ9r8GKYqrTwjU', 'signed by whsec_MfKQ…'],
    ['a session sess-0123456789abcdef', 'a session sess-0123…'],
    ['ghp_0123456789abcdefghij pushed', 'ghp_… pushed'],
    ['the role AKIAIOSFODNN7EXAMPLE', 'the role AKIA…'],
    ['eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl expired', 'eyJ… expired'],
    ['authorization: Bearer abcdef0123', 'authorization: …'],
    ['{"authorization":"Bearer abcdef0123","n":1}', '{"authorization":"…","n":1}'],
    ['sent Bearer abcdef0123, twice', 'sent Bearer …, twice'],
    ['Set-Cookie: a=b; c=d\nnext', 'Set-Cookie: …\nnext'],
    ['postgresql://app:pass@db.internal:5432/app', 'postgresql://…@db.internal:5432/app'],
    ['redis://:pass@cache:6379', 'redis://…@cache:6379'],
    [
      'GET https://api.example.com/v1/models?after=x&api_key=y failed',
      'GET https://api.example.com/v1/models?… failed',
    ],
    ['no route for GET /v1/nothing?prompt=hello', 'no route for GET /v1/nothing?…'],
    ['password=hunter22 is wrong', 'password=… is wrong'],
    ['{"api_key": "abcdefgh"}', '{"api_key": "…"}'],
    ['-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----', '-----PRIVATE KEY…'],
  ])('of %j leaves %j', (text, rest) => {
    expect(scrub(text)).toBe(rest);
  });

  it.each([
    'The model `gpt-9` does not exist or you do not have access to it.',
    'your group on requests per minute: limit 1, used 1',
    'Rate limit reached for gpt-5.5 on tokens per min (TPM): Limit 30000, Used 22999. Please try again in 12s.',
    'connect ECONNREFUSED 127.0.0.1:8443',
    'Is that all? It is.',
    "Invalid 'input[3].id': expected an ID that begins with 'msg'.",
    'This model supports at most 128000 completion tokens, whereas you asked for 200000.',
    'codex_cli_rs/0.169.0 (Debian 12.0.0; x86_64) xterm-256color',
    '01a202ed-f389-7702-ab97-15c928fff61f',
  ])('leaves %j as it is', (text) => {
    expect(scrub(text)).toBe(text);
  });
});
