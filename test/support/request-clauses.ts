import fc from 'fast-check';
import type { Request } from '../../libs/contract/src/index.js';

/** A part of a query over the request log, and the same as a filter over rows. */
export interface Clause {
  parameters: [name: string, value: string][];
  holds: (row: Request) => boolean;
}

type Values = (row: Request) => string | null;

/** What each filter by value reads of a row, but for `status`, `client` and `client_ip`, of which more than one value is true. */
const FIELDS: Readonly<Record<string, Values>> = {
  outcome: (row) => row.outcome,
  kind: (row) => row.kind,
  key: (row) => row.key_id,
  group: (row) => row.group_id,
  model: (row) => row.model,
  served_model: (row) => row.served_model,
  upstream: (row) => row.upstream_id,
  session: (row) => row.session_id,
  route: (row) => row.route,
  stream: (row) => String(row.stream),
  settlement: (row) => row.settlement,
  usage_source: (row) => row.usage_source,
  service_tier: (row) => row.service_tier,
  error_code: (row) => row.error_code,
  response_id: (row) => row.response_id,
  client_request_id: (row) => row.client_request_id,
  upstream_request_id: (row) => row.upstream_request_id,
  cache_drop: (row) => row.cache_drop?.cause ?? null,
};
/** Those that no row lacks, and for which an empty value is none. */
const ALWAYS_THERE = new Set(['outcome', 'kind', 'route', 'stream', 'settlement', 'usage_source', 'status']);

/** Everything that a row is found by, for each field. */
export const FOUND_BY: Readonly<Record<string, (row: Request) => string[]>> = {
  ...Object.fromEntries(
    Object.entries(FIELDS).map(([name, valueOf]) => [name, (row: Request) => [valueOf(row) ?? '']]),
  ),
  status: ({ status }) => [String(status), `${Math.floor(status / 100)}xx`],
  client: ({ client }) => [client ?? '', ...(client?.includes('/') ? [client.split('/', 1)[0] ?? ''] : [])],
  client_ip: ({ client_ip: ip }) => [
    ip ?? '',
    ...(ip?.startsWith('10.0.') ? [`${ip.split('.', 3).join('.')}.0/24`] : []),
  ],
};

export const AMOUNTS: Readonly<Record<string, (row: Request) => number | null>> = {
  first_byte_ms: (row) => row.first_byte_ms,
  duration_ms: (row) => row.duration_ms,
  cost_usd: (row) => (row.cost_usd === null ? null : Number(row.cost_usd)),
  input_tokens: (row) => row.input_tokens,
  cached_tokens: (row) => row.cached_tokens,
  output_tokens: (row) => row.output_tokens,
  reasoning_tokens: (row) => row.reasoning_tokens,
  total_tokens: (row) =>
    row.input_tokens === null || row.output_tokens === null ? null : row.input_tokens + row.output_tokens,
  attempts: (row) => row.attempts,
  request_bytes: (row) => row.request_bytes,
  response_bytes: (row) => row.response_bytes,
};

/** Rows that are found, or left out, by what some of them have. */
export function byValues(field: string, like: readonly Request[], isExcluded: boolean, pick: number): Clause {
  const foundBy = FOUND_BY[field] ?? (() => []);
  const values = like.map((row) => {
    const ways = foundBy(row);
    return ways[pick % ways.length] ?? '';
  });
  const wanted = ALWAYS_THERE.has(field) ? values.filter((value) => value !== '') : values;
  return {
    parameters: wanted.map((value) => [isExcluded ? `exclude_${field}` : field, value]),
    holds: (row) => foundBy(row).some((value) => wanted.includes(value)) !== isExcluded,
  };
}

/** Rows with at least, or at most, as much of something as one of them. */
export function byAmount(amount: string, like: Request, bound: 'min' | 'max'): Clause {
  const amountOf = AMOUNTS[amount] ?? (() => null);
  const limit = amountOf(like) ?? 0;
  const text = amount === 'cost_usd' ? (like.cost_usd ?? '0') : String(limit);
  return {
    parameters: [[`${amount}_${bound}`, text]],
    holds: (row) => {
      const value = amountOf(row);
      return value !== null && (bound === 'min' ? value >= limit : value <= limit);
    },
  };
}

export function byTime(like: Request, bound: 'from' | 'to'): Clause {
  return {
    parameters: [[bound, like.started_at]],
    holds: (row) => (bound === 'from' ? row.started_at >= like.started_at : row.started_at < like.started_at),
  };
}

export function byIdPrefix(like: Request, digits: number, isTypedWithKind: boolean): Clause {
  const prefix = like.id.slice('req_'.length, 'req_'.length + digits);
  return {
    parameters: [['id', isTypedWithKind ? `req_${prefix}` : prefix.toUpperCase()]],
    holds: (row) => row.id.startsWith(`req_${prefix}`),
  };
}

export function byErrorText(like: Request, at: number, length: number): Clause {
  const text =
    (like.error_message ?? like.error_code ?? 'zzz').slice(at % 20, (at % 20) + length).toUpperCase() || 'zzz';
  const holds = (value: string | null) => value?.toLowerCase().includes(text.toLowerCase()) === true;
  return { parameters: [['error_text', text]], holds: (row) => holds(row.error_code) || holds(row.error_message) };
}

/** The query that all of them make together; a parameter that may be given once is given once. */
export function queryOf(clauses: readonly Clause[]): { query: string; holds: Clause['holds'] } {
  const taken = new Set<string>();
  const used = clauses.filter(({ parameters }) => {
    const names = new Set(parameters.map(([name]) => name));
    const isFree = [...names].every((name) => !taken.has(name));
    if (isFree) for (const name of names) taken.add(name);
    return isFree && parameters.length > 0;
  });
  const query = new URLSearchParams(used.flatMap(({ parameters }) => parameters));
  return { query: query.toString(), holds: (row) => used.every((clause) => clause.holds(row)) };
}

/** Clauses that find some of the rows, mostly; `timeless` are about everything but the time. */
export function clausesOver(rows: () => readonly Request[]): {
  timeless: fc.Arbitrary<Clause>;
  anyClause: fc.Arbitrary<Clause>;
} {
  const rowAt = (n: number) => rows()[n % rows().length] as Request;
  const place = () => fc.nat(1_000).map(rowAt);
  const timeless = fc.oneof(
    fc
      .tuple(
        fc.constantFrom(...Object.keys(FOUND_BY)),
        fc.array(place(), { minLength: 1, maxLength: 3 }),
        fc.boolean(),
        fc.nat(1),
      )
      .map((given) => byValues(...given)),
    fc
      .tuple(fc.constantFrom(...Object.keys(AMOUNTS)), place(), fc.constantFrom('min' as const, 'max' as const))
      .map(([amount, like, bound]) => byAmount(amount, like, bound)),
    fc.tuple(place(), fc.integer({ min: 1, max: 32 }), fc.boolean()).map((given) => byIdPrefix(...given)),
    fc.tuple(place(), fc.nat(30), fc.integer({ min: 1, max: 8 })).map((given) => byErrorText(...given)),
  );
  const timed = fc
    .tuple(place(), fc.constantFrom('from' as const, 'to' as const))
    .map(([like, bound]) => byTime(like, bound));
  return {
    timeless,
    anyClause: fc.oneof({ arbitrary: timeless, weight: 6 }, { arbitrary: timed, weight: 1 }),
  };
}
