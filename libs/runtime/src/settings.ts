import { isIP } from 'node:net';
import { resolve } from 'node:path';
import { z } from 'zod';
import { oidcEnvironment, type OidcSettings, oidcSettingsOf } from './oidc-settings.js';

/** Thrown for an environment that Tollgate cannot start with; the message is one line for the operator. */
export class SettingsError extends Error {}

const MASTER_KEY_BYTES = 32;

const httpUrl = z.url({ protocol: /^https?$/, error: 'must be an http:// or https:// URL' });

/** What can be sent as a bearer token. */
const headerValue = z.string().regex(/^[\x21-\x7E]+$/, 'must be printable ASCII without spaces');

const masterKeyText = z
  .string()
  .refine((text) => Buffer.from(text, 'base64').length === MASTER_KEY_BYTES && /^[A-Za-z0-9+/_-]+=*$/.test(text), {
    error: 'must be 32 bytes in base64 (make one with: openssl rand -base64 32)',
  });

const perMinute = z.coerce
  .number({ error: 'must be a whole number' })
  .int('must be a whole number')
  .min(1, 'must be at least 1')
  .max(1_000_000, 'must be at most 1000000');

/** Every environment variable that Tollgate reads. docs/operators.md lists them and is checked against this schema. */
export const environment = z.object({
  HOST: z.string().min(1).default('127.0.0.1'),
  PORT: z.coerce
    .number({ error: 'must be a port number' })
    .int()
    .min(0, 'must be a port number')
    .max(65_535, 'must be a port number')
    .default(8080),
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/, error: 'must be a postgresql:// URL' }).optional(),
  DATA_DIR: z.string().min(1).default('.tollgate'),
  MASTER_KEY: masterKeyText.optional(),
  MASTER_KEY_PREVIOUS: masterKeyText.optional(),
  ADMIN_TOKEN: headerValue.min(8, 'must have at least 8 characters').optional(),
  OPENAI_API_KEY: headerValue.optional(),
  OPENAI_BASE_URL: httpUrl.optional(),
  REDIS_URL: z.url({ protocol: /^rediss?$/, error: 'must be a redis:// or rediss:// URL' }).optional(),
  REDIS_TIMEOUT_MS: z.coerce
    .number({ error: 'must be a number of milliseconds' })
    .min(1, 'must be at least 1')
    .max(1_000, 'must be at most 1000')
    .default(20),
  TOLLGATE_CONFIG: z.string().min(1).optional(),
  UPSTREAM_PRIVATE_CIDRS: z
    .string()
    .refine((text) => text.split(',').every((cidr) => isCidr(cidr.trim())), {
      error: 'must be a comma-separated list of CIDR blocks such as 10.0.0.0/8',
    })
    .optional(),
  SSE_KEEP_ALIVE_SECONDS: z.coerce
    .number({ error: 'must be a number of seconds' })
    .min(0.05, 'must be at least 0.05')
    .max(250, 'must be at most 250')
    .default(15),
  CLIENT_STALL_SECONDS: z.coerce
    .number({ error: 'must be a number of seconds' })
    .min(0.1, 'must be at least 0.1')
    .max(86_400, 'must be at most 86400')
    .default(120),
  MAX_IN_FLIGHT: z.coerce
    .number({ error: 'must be a whole number' })
    .int('must be a whole number')
    .min(1, 'must be at least 1')
    .max(1_000_000, 'must be at most 1000000')
    .default(10_000),
  MAX_EVENT_LOOP_DELAY_MS: z.coerce
    .number({ error: 'must be a number of milliseconds' })
    .min(20, 'must be at least 20')
    .max(60_000, 'must be at most 60000')
    .default(200),
  ADMIN_REQUESTS_PER_MINUTE: perMinute.default(6_000),
  ADMIN_FAILED_AUTHENTICATIONS_PER_MINUTE: perMinute.default(300),
  SIGN_INS_PER_MINUTE: perMinute.default(20),
  UNAUTHENTICATED_REQUESTS_PER_MINUTE: perMinute.default(600),
  ...oidcEnvironment,
  JOURNAL_MAX_MB: z.coerce
    .number({ error: 'must be a number of megabytes' })
    .int('must be a whole number')
    .min(1, 'must be at least 1')
    .max(1_000_000, 'must be at most 1000000')
    .default(1_024),
  DEMO: z.enum(['auto', 'off'], { error: 'must be auto or off' }).default('auto'),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'], {
      error: 'must be one of fatal, error, warn, info, debug, trace, silent',
    })
    .default('info'),
});

/** What the process was started with, parsed once and handed to whoever needs it. */
export interface Settings {
  readonly host: string;
  readonly port: number;
  /** Nobody but this machine can reach `host`. */
  readonly isLoopback: boolean;
  /** null: start the embedded PostgreSQL */
  readonly databaseUrl: string | null;
  /** null: replicas share nothing but the database */
  readonly redisUrl: string | null;
  /** How long a request may wait for Redis. */
  readonly redisTimeoutMs: number;
  readonly dataDir: string;
  readonly masterKey: Buffer | null;
  /** The key that this database's secrets are sealed under, when `masterKey` is to take its place. */
  readonly previousMasterKey: Buffer | null;
  readonly adminToken: string | null;
  readonly openai: { readonly apiKey: string; readonly baseUrl: string } | null;
  /** File that says what there is; applied at each start. */
  readonly configFile: string | null;
  /** Private networks in which upstreams may be. */
  readonly upstreamPrivateCidrs: readonly string[];
  /** Data-plane requests that may run at once. */
  readonly inFlightMax: number;
  /** How late a busy event loop may be before data-plane requests are turned away. */
  readonly eventLoopDelayMsMax: number;
  /** Requests to the admin API from one address; the same without its token; those to the data plane without a valid key. */
  readonly adminRequestsPerMinute: number;
  readonly adminFailuresPerMinute: number;
  readonly strangerRequestsPerMinute: number;
  /** Passwords from one address that are checked. */
  readonly signInsPerMinute: number;
  /** null: operators sign in by password only */
  readonly oidc: OidcSettings | null;
  /** Where browsers find the gateway; null: where their requests say. */
  readonly publicUrl: string | null;
  /** Disk that the journal may take. */
  readonly journalBytesMax: number;
  readonly demo: 'auto' | 'off';
  /** Silence after which a client's stream gets a sign of life. */
  readonly keepAliveMs: number;
  /** How long a client may read nothing of its answer. */
  readonly stalledClientMs: number;
  readonly logLevel: string;
  /** Started by `npm start`, which is then to be outlived by nothing. */
  readonly isUnderNpm: boolean;
}

const LOOPBACK_CIDRS = ['127.0.0.0/8', '::1/128'];

/** @throws SettingsError naming the variable that is wrong; values are never repeated, as they may be secrets */
export function readSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  // A variable set to nothing, as compose files do, is a variable that is not set.
  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const parsed = environment.safeParse(present);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new SettingsError(`${issue?.path.join('.') ?? 'environment'} ${issue?.message ?? 'is invalid'}`);
  }
  const { data } = parsed;
  const isLoopback = /^(?:127\.|localhost$|::1$)/.test(data.HOST);
  return {
    host: data.HOST,
    port: data.PORT,
    isLoopback,
    databaseUrl: data.DATABASE_URL ?? null,
    redisUrl: data.REDIS_URL ?? null,
    redisTimeoutMs: data.REDIS_TIMEOUT_MS,
    dataDir: resolve(data.DATA_DIR),
    previousMasterKey: data.MASTER_KEY_PREVIOUS ? Buffer.from(data.MASTER_KEY_PREVIOUS, 'base64') : null,
    masterKey: data.MASTER_KEY ? Buffer.from(data.MASTER_KEY, 'base64') : null,
    adminToken: data.ADMIN_TOKEN ?? null,
    openai: data.OPENAI_API_KEY
      ? { apiKey: data.OPENAI_API_KEY, baseUrl: data.OPENAI_BASE_URL ?? 'https://api.openai.com/v1' }
      : null,
    configFile: data.TOLLGATE_CONFIG ? resolve(data.TOLLGATE_CONFIG) : null,
    // Who reaches a gateway on loopback reaches everything else there, too.
    upstreamPrivateCidrs:
      data.UPSTREAM_PRIVATE_CIDRS?.split(',').map((cidr) => cidr.trim()) ?? (isLoopback ? LOOPBACK_CIDRS : []),
    inFlightMax: data.MAX_IN_FLIGHT,
    eventLoopDelayMsMax: data.MAX_EVENT_LOOP_DELAY_MS,
    adminRequestsPerMinute: data.ADMIN_REQUESTS_PER_MINUTE,
    adminFailuresPerMinute: data.ADMIN_FAILED_AUTHENTICATIONS_PER_MINUTE,
    strangerRequestsPerMinute: data.UNAUTHENTICATED_REQUESTS_PER_MINUTE,
    signInsPerMinute: data.SIGN_INS_PER_MINUTE,
    oidc: oidcSettingsOf(data, (line) => new SettingsError(line)),
    publicUrl: data.PUBLIC_URL?.replace(/\/$/, '') ?? null,
    journalBytesMax: data.JOURNAL_MAX_MB * 1024 * 1024,
    demo: data.DEMO,
    keepAliveMs: data.SSE_KEEP_ALIVE_SECONDS * 1000,
    stalledClientMs: data.CLIENT_STALL_SECONDS * 1000,
    logLevel: data.LOG_LEVEL,
    isUnderNpm: env.npm_lifecycle_event === 'start',
  };
}

function isCidr(text: string): boolean {
  const [address = '', bits = '', ...rest] = text.split('/');
  const family = address.includes('%') ? 0 : isIP(address);
  return family !== 0 && rest.length === 0 && /^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128);
}
