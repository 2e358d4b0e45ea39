import { readSettings, SettingsError } from './settings.js';

describe('readSettings', () => {
  it('needs nothing', () => {
    expect(readSettings({})).toMatchObject({
      host: '127.0.0.1',
      port: 8080,
      databaseUrl: null,
      masterKey: null,
      demo: 'auto',
      logLevel: 'info',
      withoutEffect: [],
    });
  });

  it('takes a variable set to nothing for one that is not set', () => {
    expect(readSettings({ DATABASE_URL: '', PORT: '' })).toMatchObject({ databaseUrl: null, port: 8080 });
  });

  it('says which variables have no effect yet', () => {
    expect(
      readSettings({ REDIS_URL: 'redis://x', UPSTREAM_PRIVATE_CIDRS: '10.0.0.0/8, fd00::/8' }).withoutEffect,
    ).toEqual(['REDIS_URL', 'UPSTREAM_PRIVATE_CIDRS']);
  });

  it.each([
    ['PORT', '80a'],
    ['PORT', '70000'],
    ['DATABASE_URL', 'mysql://x'],
    ['MASTER_KEY', 'too short'],
    ['ADMIN_TOKEN', 'short'],
    ['OPENAI_BASE_URL', 'x'],
    ['DEMO', 'on'],
    ['LOG_LEVEL', 'loud'],
    ['UPSTREAM_PRIVATE_CIDRS', '10.0.0.0/33'],
  ])('refuses %s=%s with one line that names it and does not repeat the value', (name, value) => {
    const read = () => readSettings({ [name]: value, ...(name === 'OPENAI_BASE_URL' ? { OPENAI_API_KEY: 'k' } : {}) });
    expect(read).toThrow(SettingsError);
    expect(read).toThrow(new RegExp(`^${name} must (?!.*${value.replace('/', '.')}).*$`));
  });
});
