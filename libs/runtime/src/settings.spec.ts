import { resolve } from 'node:path';
import { readSettings, SettingsError } from './settings.js';

describe('readSettings', () => {
  it('needs nothing', () => {
    expect(readSettings({})).toMatchObject({
      host: '127.0.0.1',
      port: 8080,
      databaseUrl: null,
      redisUrl: null,
      masterKey: null,
      demo: 'auto',
      logLevel: 'info',
      configFile: null,
    });
  });

  it('takes a variable set to nothing for one that is not set', () => {
    expect(readSettings({ DATABASE_URL: '', PORT: '' })).toMatchObject({ databaseUrl: null, port: 8080 });
  });

  it('takes the configuration file from where it was started', () => {
    expect(readSettings({ TOLLGATE_CONFIG: 'tollgate.yaml' }).configFile).toBe(resolve('tollgate.yaml'));
  });

  it.each([
    [{}, ['127.0.0.0/8', '::1/128']],
    [{ HOST: 'localhost' }, ['127.0.0.0/8', '::1/128']],
    [{ HOST: '0.0.0.0' }, []],
    [{ HOST: '10.0.0.5' }, []],
    [{ UPSTREAM_PRIVATE_CIDRS: '10.0.0.0/8, fd00::/8' }, ['10.0.0.0/8', 'fd00::/8']],
    [{ HOST: '::', UPSTREAM_PRIVATE_CIDRS: '10.0.0.0/8' }, ['10.0.0.0/8']],
  ])('with %j, upstreams may be in the private networks %j', (env, cidrs) => {
    expect(readSettings(env).upstreamPrivateCidrs).toEqual(cidrs);
  });

  it.each([
    ['PORT', '80a'],
    ['PORT', '70000'],
    ['DATABASE_URL', 'mysql://x'],
    ['MASTER_KEY', 'too short'],
    ['ADMIN_TOKEN', 'short'],
    ['OPENAI_BASE_URL', 'x'],
    ['MAX_IN_FLIGHT', '0'],
    ['MAX_EVENT_LOOP_DELAY_MS', '5'],
    ['REDIS_TIMEOUT_MS', '5000'],
    ['ADMIN_REQUESTS_PER_MINUTE', '0'],
    ['ADMIN_FAILED_AUTHENTICATIONS_PER_MINUTE', '1.5'],
    ['UNAUTHENTICATED_REQUESTS_PER_MINUTE', 'many'],
    ['DEMO', 'on'],
    ['LOG_LEVEL', 'loud'],
    ['UPSTREAM_PRIVATE_CIDRS', '10.0.0.0/33'],
    ['OIDC_ISSUER', 'http://login.example.com'],
    ['OIDC_ISSUER', 'http://127.0.0.1.evil.example'],
    ['OIDC_ISSUER', 'https://ann:secret@login.example.com'],
    ['OIDC_SCOPES', 'email'],
    ['OIDC_DEFAULT_ROLE', 'owner'],
    ['OIDC_ALLOWED_DOMAINS', '@example.com'],
    ['PUBLIC_URL', 'https://gateway.example.com/console'],
    ['UPSTREAM_PRIVATE_CIDRS', 'fd00::1%eth0/64'],
  ])('refuses %s=%s with one line that names it and does not repeat the value', (name, value) => {
    const read = () => readSettings({ [name]: value, ...(name === 'OPENAI_BASE_URL' ? { OPENAI_API_KEY: 'k' } : {}) });
    expect(read).toThrow(SettingsError);
    expect(read).toThrow(new RegExp(`^${name} must (?!.*${value.replace('/', '.')}).*$`));
  });

  it.each([
    [{ OIDC_ISSUER: 'https://login.example.com' }, 'OIDC_CLIENT_ID must be set, as OIDC_ISSUER is'],
    [{ OIDC_CLIENT_ID: 'tollgate' }, 'OIDC_ISSUER must be set, as OIDC_CLIENT_ID is'],
  ])('refuses half a provider: %j', (env, message) => {
    expect(() => readSettings(env)).toThrow(new SettingsError(message));
  });

  it('takes a provider, on this machine without TLS', () => {
    const env = { OIDC_ISSUER: 'http://[::1]:8000', OIDC_CLIENT_ID: 'tollgate', PUBLIC_URL: 'https://gw.example.com/' };
    expect(readSettings({ ...env, OIDC_ALLOWED_DOMAINS: 'Example.com, example.org' })).toMatchObject({
      publicUrl: 'https://gw.example.com',
      oidc: {
        issuer: 'http://[::1]:8000',
        clientId: 'tollgate',
        clientSecret: null,
        scopes: 'openid email profile',
        defaultRole: null,
        allowedDomains: ['example.com', 'example.org'],
      },
    });
  });
});
