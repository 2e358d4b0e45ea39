import { bodyPolicyOf } from './body-policy.js';

describe('bodyPolicyOf', () => {
  it('is nothing at all where no bodies are stored, so that the request path has one thing to look at', () => {
    expect(bodyPolicyOf({ capture: 'never' })).toBeNull();
    expect(bodyPolicyOf({ capture: 'never', sample_percent: 50, max_bytes: 5_000 })).toBeNull();
  });

  it('has a bound even where none was given', () => {
    expect(bodyPolicyOf({ capture: 'always' })).toEqual({
      capture: 'always',
      share: 0,
      bytesMax: 1024 * 1024,
      retentionDays: null,
    });
  });

  it('has a share of one for a hundred per cent', () => {
    const stored = { capture: 'sample' as const, sample_percent: 100, max_bytes: 5_000, retention_days: 2 };
    expect(bodyPolicyOf(stored)).toEqual({ capture: 'sample', share: 1, bytesMax: 5_000, retentionDays: 2 });
  });
});
