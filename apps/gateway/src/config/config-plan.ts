import {
  type ConfigDocument,
  type ConfigList,
  type ConfigModel,
  type ConfigStep,
  KEEP,
  type Problem,
} from '@app/contract';
import { sortedNames, undated, wantedPrices } from './canonical.js';
import {
  type Change,
  changesBetween,
  changesOfNew,
  type Fields,
  fieldsOf,
  fingerprintOf,
  KIND_OF,
  LISTS,
} from './fields.js';
import { markedProxy, type Present, type PresentObject } from './present-config.js';

/** A step with what is needed to take it. */
export interface PlannedStep extends ConfigStep {
  /** null: settings */
  readonly list: ConfigList | null;
  /** Where the file says it, such as groups.0; empty: it does not. */
  readonly at: string;
  /** What is there now. */
  readonly present: PresentObject | null;
}

export interface ConfigPlan {
  readonly steps: readonly PlannedStep[];
  /** What the file cannot have meant; then nothing is done. */
  readonly problems: NonNullable<Problem['errors']>;
}

const MARK = { path: 'managed_by', before: null, after: 'config' } as const;

/** A canonical document with fingerprints in the place of secrets: what may be kept, and compared. */
export function withoutSecrets(document: ConfigDocument): ConfigDocument {
  const marked = (secret: string) => (secret === KEEP ? KEEP : fingerprintOf(secret));
  const optional = ({ secret }: { secret?: string | undefined }) =>
    secret === undefined || secret === KEEP ? { secret: undefined } : { secret: marked(secret) };
  return {
    ...document,
    upstreams: document.upstreams.map((upstream) => ({
      ...upstream,
      credential: upstream.credential && marked(upstream.credential),
      http_proxy:
        upstream.http_proxy === null || upstream.http_proxy === KEEP
          ? upstream.http_proxy
          : markedProxy(upstream.http_proxy),
      extra_headers:
        upstream.extra_headers === KEEP
          ? KEEP
          : Object.fromEntries(Object.entries(upstream.extra_headers).map(([name, value]) => [name, marked(value)])),
    })),
    keys: document.keys.map((key) => ({ ...key, ...optional(key) })),
    webhooks: document.webhooks.map((webhook) => ({ ...webhook, ...optional(webhook) })),
  };
}

/**
 * What has to be done for `present` to become what the document says.
 *
 * @param document canonical, without secrets
 * @param prune whether what came from a file before and is not in this one is deleted
 */
export function planOf(document: ConfigDocument, present: Present, prune: boolean): ConfigPlan {
  const problems = [...referenceProblems(document, present)];
  const steps: PlannedStep[] = [];
  for (const list of LISTS) {
    const named = new Set(document[list].map(({ name }) => name));
    const there = byName(present[list]);
    const gone = present[list].filter(({ name, isManaged }) => isManaged && !named.has(name));
    for (const [index, wanted] of document[list].entries()) {
      const at = `${list}.${index}`;
      const same = there.get(wanted.name) ?? [];
      problems.push(...ambiguities(list, at, same));
      const [found = null] = same;
      const fields = comparable(list, wanted as Fields, found, present.atMs);
      problems.push(...keptProblems(at, fields, found));
      steps.push(stepFor(list, at, resolved(fields, found), found));
    }
    if (!prune) continue;
    for (const object of gone) {
      steps.push({
        action: 'delete',
        kind: KIND_OF[list],
        name: object.name,
        changes: [],
        list,
        at: '',
        present: object,
      });
    }
  }
  const settings = changesBetween(present.settings, document.settings as Fields);
  if (Object.keys(document.settings).length > 0) {
    const action = settings.length > 0 ? 'update' : 'none';
    steps.push({
      action,
      kind: 'settings',
      name: 'settings',
      changes: settings,
      list: null,
      at: 'settings',
      present: null,
    });
  }
  return { steps, problems };
}

function byName(objects: readonly PresentObject[]): ReadonlyMap<string, PresentObject[]> {
  const found = new Map<string, PresentObject[]>();
  for (const object of objects) {
    const same = found.get(object.name);
    if (same) same.push(object);
    else found.set(object.name, [object]);
  }
  return found;
}

function stepFor(list: ConfigList, at: string, fields: Fields, present: PresentObject | null): PlannedStep {
  const base = { kind: KIND_OF[list], name: String(fields.name), list, at, present };
  if (!present) return { ...base, action: 'create', changes: changesOfNew(list, fields) };
  const changes: Change[] = [...changesBetween(present.fields, fields), ...(present.isManaged ? [] : [MARK])];
  return { ...base, action: changes.length > 0 ? 'update' : 'none', changes };
}

/** What the file says of an object, as far as it can be compared with what is there. */
function comparable(list: ConfigList, wanted: Fields, present: PresentObject | null, nowMs: number): Fields {
  if (list !== 'models') return fieldsOf(list, wanted);
  const model = wanted as unknown as ConfigModel;
  const prices = wantedPrices(model, nowMs);
  return fieldsOf(list, {
    ...wanted,
    prices: prices && undated(prices),
    price_versions: versions(model, present, nowMs),
  });
}

/** Of what is there, only versions to come have to be in the file: those that have counted are history. */
function versions(model: ConfigModel, present: PresentObject | null, nowMs: number): unknown {
  if (!model.price_versions) return undefined;
  const given = new Set(model.price_versions.map(({ effective_from: from }) => from));
  const history = presentVersions(present).filter(
    ({ effective_from: from }) => Date.parse(from) <= nowMs && !given.has(from),
  );
  return [...history, ...model.price_versions].toSorted((a, b) => (a.effective_from < b.effective_from ? -1 : 1));
}

/** The versions of a model's prices that are there, by their time. */
export function presentVersions(present: PresentObject | null): { effective_from: string }[] {
  return (present?.fields.price_versions ?? []) as { effective_from: string }[];
}

function resolved(fields: Fields, present: PresentObject | null): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      value === KEEP && name !== 'name' ? (present?.fields[name] ?? null) : value,
    ]),
  );
}

function keptProblems(at: string, fields: Fields, present: PresentObject | null): ConfigPlan['problems'] {
  const kept = KEEPABLE.filter((name) => fields[name] === KEEP);
  if (!present) {
    return kept.map((name) => ({
      path: `${at}.${name}`,
      message: 'must be given: there is nothing yet that could be kept',
    }));
  }
  if (kept.length === 0 || !isMoved(fields, present.fields)) return [];
  return kept
    .filter((name) => name !== 'http_proxy' && Object.keys(present.fields[name] ?? {}).length > 0)
    .map((name) => ({ path: `${at}.${name}`, message: 'must be given: what is stored is not sent to another host' }));
}

const KEEPABLE = ['credential', 'extra_headers', 'http_proxy'] as const;

/** Whether the upstream's secrets would go to somebody else from now on; the service clears them then. */
function isMoved(fields: Fields, present: Fields): boolean {
  const baseUrl = String(fields.base_url);
  if (new URL(baseUrl).origin !== new URL(String(present.base_url)).origin) return true;
  return baseUrl.startsWith('http:') && fields.http_proxy !== KEEP && fields.http_proxy !== present.http_proxy;
}

function ambiguities(list: ConfigList, at: string, same: readonly PresentObject[]): ConfigPlan['problems'] {
  if (list === 'upstreams' && same.some(({ isExported }) => !isExported)) {
    return [{ path: `${at}.name`, message: 'is the name of the bundled simulator' }];
  }
  if (same.filter(({ isExported }) => isExported).length < 2) return [];
  return [{ path: `${at}.name`, message: 'is the name of several keys: give each a name of its own first' }];
}

/** Groups and upstreams that the file names must be in it, or there. */
function* referenceProblems(document: ConfigDocument, present: Present): Generator<ConfigPlan['problems'][number]> {
  const namesOf = (list: 'groups' | 'upstreams') =>
    new Set([...document[list], ...present[list]].map(({ name }) => name));
  const groups = namesOf('groups');
  const upstreams = namesOf('upstreams');
  for (const [index, { group }] of document.keys.entries()) {
    if (!groups.has(group)) yield { path: `keys.${index}.group`, message: `is ${group}, which is no group` };
  }
  for (const [index, model] of document.models.entries()) {
    for (const { upstream } of model.upstreams) {
      if (upstreams.has(upstream)) continue;
      yield { path: `models.${index}.upstreams`, message: `must not name ${upstream}, which is no upstream` };
    }
  }
}

/** A document without secrets in which nothing is kept: what is there stands in its place. */
export function withKept(document: ConfigDocument, present: Present): ConfigDocument {
  const there = new Map(present.upstreams.map(({ name, fields }) => [name, fields]));
  return {
    ...document,
    upstreams: document.upstreams.map((upstream) => {
      const fields = there.get(upstream.name) ?? {};
      const kept = KEEPABLE.filter((name) => upstream[name] === KEEP).map((name) => [name, fields[name] ?? null]);
      return { ...upstream, ...(Object.fromEntries(kept) as Partial<typeof upstream>) };
    }),
  };
}

/** The first part of each path that changes. */
export function changedNames({ changes }: Pick<ConfigStep, 'changes'>): string[] {
  return sortedNames(changes.map(({ path }) => path.split('.')[0] ?? ''));
}
