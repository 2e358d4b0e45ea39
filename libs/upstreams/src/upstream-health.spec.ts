import { UpstreamHealth } from './upstream-health.js';

function failed(times: number, atMs = 0): UpstreamHealth {
  const health = new UpstreamHealth();
  for (let i = 0; i < times; i++) health.noteFailure(atMs, 'answered 500', false);
  return health;
}

describe('UpstreamHealth', () => {
  it('opens its circuit after five failures in a row, and not before', () => {
    expect(failed(4).circuit(0)).toBe('closed');
    expect(failed(5).circuit(0)).toBe('open');
    expect(failed(5).isAvailable(0)).toBe(false);
  });

  it('opens at once when it cannot be reached', () => {
    const health = new UpstreamHealth();
    health.noteFailure(0, 'ECONNREFUSED', true);
    expect(health.circuit(0)).toBe('open');
  });

  it('starts counting again after a success', () => {
    const health = failed(4);
    health.noteSuccess(0);
    health.noteFailure(0, 'answered 500', false);
    expect(health.circuit(0)).toBe('closed');
  });

  it('lets one call through as a trial, and closes when it begins to be answered', () => {
    const health = failed(5);
    expect(health.circuit(2_000)).toBe('half_open');
    health.noteStarted(2_000);
    expect(health.isAvailable(2_000)).toBe(false);
    health.noteAnswering();
    expect(health.isAvailable(2_000)).toBe(true);
    health.noteEnded();
    expect(health.circuit(2_000)).toBe('closed');
  });

  it('stays open for twice as long after a trial that failed, up to half a minute', () => {
    const health = failed(5);
    let nowMs = 0;
    const openForMs: number[] = [];
    for (let i = 0; i < 6; i++) {
      nowMs += health.report(nowMs).opensForMs ?? 0;
      health.noteStarted(nowMs);
      health.noteFailure(nowMs, 'answered 500', false);
      health.noteEnded();
      openForMs.push(health.report(nowMs).opensForMs ?? 0);
    }
    expect(openForMs).toEqual([4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  });

  it('gives the trial to another call when its client left', () => {
    const health = failed(5);
    health.noteStarted(2_000);
    health.noteEnded();
    expect(health.isAvailable(2_000)).toBe(true);
  });

  it('obeys the longest pause that was asked for', () => {
    const health = new UpstreamHealth();
    health.noteCoolDown(0, 'answered 429', 5_000);
    health.noteCoolDown(100, 'answered 429', 1_000);
    expect(health.isAvailable(4_999)).toBe(false);
    expect(health.isAvailable(5_000)).toBe(true);
    expect(health.circuit(0)).toBe('closed');
  });

  it('is out of use while it is tripped, whatever its circuit says', () => {
    const health = new UpstreamHealth();
    health.isTripped = true;
    expect(health.isAvailable(0)).toBe(false);
  });
});
