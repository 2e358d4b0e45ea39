import type { Operation } from './admin-operations.js';
import type { UsedKey } from './authorisation-callers.js';

/** Queries of a reading operation by which somebody could try to see what concerns another key; each is a query string. */
export function curiousQueries({ parameters }: Operation, own: UsedKey, foreign: UsedKey): string[] {
  const curious: Record<string, string> = {
    key: foreign.key.id,
    group: foreign.group.id,
    session: foreign.sessionId,
    id: foreign.requestIds[0] ?? '',
    cursor: foreign.requestIds[0] ?? '',
    after: foreign.requestIds[0] ?? '',
    owner: 'foreign-person',
    client_request_id: 'foreign-client-request',
    exclude_key: own.key.id,
    exclude_group: own.group.id,
    exclude_session: own.sessionId,
  };
  const queries = parameters.filter((parameter) => parameter.in === 'query');
  const each = queries.flatMap(({ name, description = '', schema }) => {
    const [, list] = /^Comma-separated[^:]*: (.*)$/.exec(description) ?? [];
    const values = schema.enum?.map(String) ?? list?.split(', ') ?? [];
    const named = curious[name];
    return [...values, ...(named === undefined ? [] : [named])].map((value) => `${name}=${encodeURIComponent(value)}`);
  });
  const [format] = each.filter((query) => query === 'format=csv');
  const grouped =
    format === undefined
      ? []
      : each.filter((query) => query.startsWith('group_by=')).map((query) => `${format}&${query}`);
  return ['', ...each, ...grouped];
}
