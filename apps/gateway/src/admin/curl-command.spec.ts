import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { curlCommand } from './curl-command.js';

const ROW = {
  route: 'POST /v1/responses',
  kind: 'response',
  model: 'gpt-5.5',
  stream: true,
  session_id: 's1',
  client_request_id: 'c1',
};
const URL = 'http://127.0.0.1:8080';

/** What the shell hands to curl, a program that shows it. */
function argumentsOf(command: string): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'tollgate-curl-'));
  try {
    writeFileSync(join(folder, 'curl'), '#!/bin/sh\nfor each; do printf "%s\\0" "$each"; done\n', { mode: 0o755 });
    const output = execFileSync('/bin/sh', ['-c', command], {
      env: { PATH: `${folder}:/usr/bin:/bin`, TOLLGATE_API_KEY: 'sk-tg-mine' },
      encoding: 'utf8',
      cwd: folder,
    });
    return output.split('\0').slice(0, -1);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const bodyOf = (given: string[]) => JSON.parse(given[given.indexOf('--data-raw') + 1] ?? '') as Record<string, unknown>;

describe('a request as a cURL command', () => {
  it('has the method, the URL, the key of the one who runs it, the model, the session and a placeholder', () => {
    const given = argumentsOf(curlCommand(ROW, URL));
    expect(given.slice(0, 8)).toEqual([
      '--globoff',
      '--request',
      'POST',
      'http://127.0.0.1:8080/v1/responses',
      '--header',
      'Authorization: Bearer sk-tg-mine',
      '--header',
      'x-client-request-id: c1',
    ]);
    expect(bodyOf(given)).toEqual({
      model: 'gpt-5.5',
      input: 'What the client sent is not stored.',
      stream: true,
      prompt_cache_key: 's1',
    });
  });

  it('has no body where the request had none', () => {
    const row = { ...ROW, route: 'DELETE /v1/responses/resp_1', kind: 'delete', model: null };
    expect(argumentsOf(curlCommand(row, URL))).not.toContain('--data-raw');
    expect(curlCommand(row, URL)).toContain("--request 'DELETE' 'http://127.0.0.1:8080/v1/responses/resp_1'");
  });

  it.each([
    "'; touch broken-out; '",
    "'\\''; touch broken-out #",
    '$(touch broken-out)',
    '`touch broken-out`',
    '"; touch broken-out; "',
    'a\ntouch broken-out\n',
    '\\',
    "\\'; touch broken-out",
    '!! && touch broken-out',
    '${IFS}$TOLLGATE_API_KEY',
    '@/etc/passwd',
    '-o /tmp/x',
    '\u001B[2J\u0003\rtouch broken-out\r\u009B\u007F',
    '语言 ☃ 😀 \u202E',
  ])('hands %j on as text, wherever it came from', (hostile) => {
    const command = curlCommand(
      { ...ROW, model: hostile, session_id: hostile, client_request_id: hostile, route: `POST /v1/x${hostile}` },
      `http://${hostile}`,
    );
    expect(command).toMatch(/^[\n -~]*$/);
    const given = argumentsOf(command);
    expect(bodyOf(given)).toMatchObject({ model: hostile, prompt_cache_key: hostile });
    const header = given.find((argument) => argument.startsWith('x-client-request-id'));
    expect(header).toBe(/^[ -~]+$/.test(hostile) ? `x-client-request-id: ${hostile}` : undefined);
    expect(given).toHaveLength(header === undefined ? 10 : 12);
    expect(argumentsOf(`${command}ls | while read -r name; do curl "$name"; done`)).toEqual([...given, 'curl']);
  });

  it('sends the key nowhere else, whatever the path and the method were', () => {
    const given = argumentsOf(curlCommand({ ...ROW, route: 'x\'"y @evil.example/' }, URL));
    expect(given.slice(1, 4)).toEqual(['--request', 'GET', 'http://127.0.0.1:8080/@evil.example/']);
  });
});
