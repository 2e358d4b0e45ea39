import { toAttemptCell } from './attempt-cell.js';
import type { UpstreamAttempt } from './request-record.js';

const attempt: UpstreamAttempt = {
  upstreamId: 'u1',
  upstreamName: 'one',
  status: 200,
  problem: null,
  connection: null,
  sentMs: 0.123,
  firstByteMs: 20.456,
  durationMs: 31,
  headers: { 'openai-processing-ms': '18', 'content-type': 'application/json', 'set-cookie': ['a=b'] },
};

describe('a try of an upstream, in its row', () => {
  it('leaves out what the row says already, and of a good answer all headers but those that tell of the provider', () => {
    expect(toAttemptCell(attempt, { upstreamId: 'u1' })).toEqual({
      status: 200,
      sent_ms: 0.12,
      first_byte_ms: 20.46,
      duration_ms: 31,
      headers: { 'openai-processing-ms': '18' },
    });
  });

  it('that failed tells its problem and every header, with secrets struck out', () => {
    const headers = {
      'content-type': 'text/html',
      'set-cookie': ['id=1'],
      'x-auth-token': 'abc',
      location: 'https://x.example/?key=abcdefgh',
      'x-long': 'y'.repeat(500),
      'x-codex-turn-state': 'state',
    };
    const failed = { ...attempt, status: 502, problem: 'it said sk-0123456789abcdef', headers };
    expect(toAttemptCell(failed, { upstreamId: 'u2' })).toMatchObject({
      upstream_id: 'u1',
      upstream_name: 'one',
      problem: 'it said sk-0123…',
      headers: {
        'content-type': 'text/html',
        'set-cookie': '…',
        'x-auth-token': '…',
        location: 'https://x.example/?…',
        'x-long': 'y'.repeat(128),
      },
    });
    expect(toAttemptCell(failed, { upstreamId: 'u2' }).headers).not.toHaveProperty('x-codex-turn-state');
  });

  it('tells how long each part of a new connection took', () => {
    const connection = { dnsMs: null, tcpMs: 0.333, tlsMs: 2 };
    expect(toAttemptCell({ ...attempt, connection, headers: null }, { upstreamId: 'u1' })).toMatchObject({
      connection: { dns_ms: null, tcp_ms: 0.33, tls_ms: 2 },
    });
  });
});
