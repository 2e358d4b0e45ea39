import { REQUEST_AMOUNTS, REQUEST_FIELDS, type RequestField, type RequestFilters } from '@app/contract';
import { EVERY_REQUEST, type RequestFilter } from '@app/journal';
import { parseUsd } from '@app/models';
import { AdminProblem } from '../http/admin-problem.js';

/**
 * What a query of the API asks the log for.
 *
 * @param ownKeys of what else whoever asks may see nothing; null: he may see everything
 */
export function toRequestFilter(query: RequestFilters, ownKeys: readonly string[] | null): RequestFilter {
  const { id, error_text: errorText, from, to } = query;
  return {
    only: valuesOf((field) => query[field]),
    except: valuesOf((field) => query[`exclude_${field}`]),
    ranges: rangesOf(query),
    idPrefix: id?.replace(/^req_/, '') ?? null,
    errorText: errorText ?? null,
    from: from === undefined ? null : new Date(from),
    to: to === undefined ? null : new Date(to),
    ownKeys,
  };
}

/** A query without a range of time asks for one that ends now. */
export function withRange<Query extends { from?: string | undefined; to?: string | undefined }>(
  query: Query,
  nowMs: number,
  defaultMs: number,
): Query & { from: string; to: string } {
  const to = query.to ?? new Date(nowMs).toISOString();
  const from = query.from ?? new Date(Date.parse(to) - defaultMs).toISOString();
  if (Date.parse(from) >= Date.parse(to)) throw AdminProblem.invalid([{ path: 'to', message: 'must be after from' }]);
  return { ...query, from, to };
}

function valuesOf(valueOf: (field: RequestField) => readonly string[] | undefined): RequestFilter['only'] {
  return Object.fromEntries(
    REQUEST_FIELDS.flatMap((field) => {
      const values = valueOf(field);
      return values === undefined ? [] : [[field, values]];
    }),
  );
}

function rangesOf(query: RequestFilters): RequestFilter['ranges'] {
  const amounts = REQUEST_AMOUNTS.map(
    (amount) => [amount, { min: query[`${amount}_min`], max: query[`${amount}_max`] }] as const,
  );
  const cost = { min: nanoUsd(query.cost_usd_min), max: nanoUsd(query.cost_usd_max) };
  const given = [...amounts, ['cost_nano_usd', cost] as const].filter(
    ([, { min, max }]) => min !== undefined || max !== undefined,
  );
  return { ...EVERY_REQUEST.ranges, ...Object.fromEntries(given) };
}

function nanoUsd(usd: string | undefined): bigint | undefined {
  return usd === undefined ? undefined : (parseUsd(usd) ?? undefined);
}
