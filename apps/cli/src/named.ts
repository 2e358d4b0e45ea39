import type { AdminApi } from './admin-api.js';
import { CommandFailure } from './command-failure.js';

const LISTS = {
  key: { path: '/keys', id: /^key_[0-9a-f]{32}$/ },
  group: { path: '/groups', id: /^grp_[0-9a-f]{32}$/ },
  model: { path: '/models', id: /^mdl_[0-9a-f]{32}$/ },
  upstream: { path: '/upstreams', id: /^ups_[0-9a-f]{32}$/ },
} as const;

type Kind = keyof typeof LISTS;

/**
 * The id of what somebody calls by its name or id.
 *
 * @throws CommandFailure when there is none of that name, or more than one
 */
export async function idOfNamed(api: AdminApi, kind: Kind, name: string): Promise<string> {
  const { path, id } = LISTS[kind];
  if (id.test(name)) return name;
  const all = await api.all<{ id: string; name: string }>(path);
  const found = all.filter((object) => object.name === name);
  const [first] = found;
  if (!first) throw new CommandFailure(`there is no ${kind} ${name}; tollgate ${kind}s list shows what there is`);
  if (found.length > 1) {
    throw new CommandFailure(
      `${name} is the name of ${found.length} ${kind}s: say which by its id: ${found.map((one) => one.id).join(', ')}`,
    );
  }
  return first.id;
}
