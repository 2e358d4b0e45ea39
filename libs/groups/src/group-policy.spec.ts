import { modelRule } from './group-policy.js';

describe('modelRule', () => {
  it.each([
    ['gpt-5.5', 'gpt-5.5', true],
    ['gpt-5.5', 'gpt-5.5-mini', false],
    ['gpt-5.5', 'gpt-5x5', false],
    ['gpt-5*', 'gpt-5.5-codex', true],
    ['gpt-5*', 'my-gpt-5', false],
    ['*-codex', 'gpt-5.2-codex', true],
    ['gpt-*-codex', 'gpt-5.2-codex', true],
    ['gpt-*-codex', 'gpt-codex', false],
    ['*', 'anything at all', true],
    ['**', '', true],
    ['a*a', 'a', false],
    ['*ab*ab', 'ab', false],
    ['*ab*ab', 'xabyab', true],
    ['*a*a*a*a*a*z', 'a'.repeat(256), false],
  ])('%s against %s: %s', (pattern, model, allowed) => expect(modelRule([pattern]).allows(model)).toBe(allowed));

  it('allows nothing when there is no pattern', () => expect(modelRule([]).allows('gpt-5.5')).toBe(false));
});
