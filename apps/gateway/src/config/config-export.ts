import { variablesOf } from '@app/config-file';
import { type ConfigDocument, KEEP } from '@app/contract';
import { AdminProblem } from '../http/admin-problem.js';
import { type Fields, LISTS, withoutDefaults } from './fields.js';
import type { Present, PresentObject } from './present-config.js';

/** What stands for a secret in an export. */
export type SecretsAs = 'reference' | typeof KEEP;

/**
 * What is there as a file would say it, by name: the same for the same state, always. What has been revoked and the bundled simulator are
 * left out, and so is whatever is as it would be anyway.
 *
 * @throws AdminProblem 409 when names do not tell keys apart
 */
export function exported(present: Present, as: SecretsAs): Fields {
  const lists = Object.fromEntries(LISTS.map((list) => [list, byName(present[list])]));
  refuseAmbiguous(lists.keys ?? []);
  const upstreams = secretsOf('TOLLGATE_UPSTREAM', lists.upstreams ?? [], as);
  const webhooks = secretsOf('TOLLGATE_WEBHOOK', lists.webhooks ?? [], as);
  const shown: Record<keyof Omit<ConfigDocument, 'version' | 'settings'>, Fields[]> = {
    upstreams: (lists.upstreams ?? []).map(({ name, fields }) => upstream(fields, upstreams(name))),
    models: (lists.models ?? []).map(({ fields }) => model(fields, present.atMs)),
    groups: (lists.groups ?? []).map(({ fields }) => fields),
    keys: (lists.keys ?? []).map(({ fields: { secret: _secret, ...fields } }) => fields),
    webhooks: (lists.webhooks ?? []).map(({ name, fields }) => ({ ...fields, secret: webhooks(name)('SECRET') })),
  };
  return {
    version: 1,
    ...Object.fromEntries(LISTS.map((list) => [list, shown[list].map((fields) => withoutDefaults(list, fields))])),
    settings: present.settings,
  };
}

function byName(objects: readonly PresentObject[]): PresentObject[] {
  return objects.filter(({ isExported }) => isExported).toSorted((a, b) => (a.name < b.name ? -1 : 1));
}

function refuseAmbiguous(keys: readonly PresentObject[]): void {
  const twice = keys.filter(({ name }, index) => keys[index + 1]?.name === name).map(({ name }) => name);
  if (twice.length === 0) return;
  const names = [...new Set(twice)].join(', ');
  throw AdminProblem.conflict(
    `Several keys have the same name: ${names}. A file tells keys apart by their names: give each its own.`,
  );
}

/** What stands for the secrets of the objects of a list. */
function secretsOf(prefix: string, objects: readonly PresentObject[], as: SecretsAs) {
  const variables = variablesOf(
    prefix,
    objects.map(({ name }) => name),
  );
  return (name: string) => (secret: string) => (as === KEEP ? KEEP : `\${${variables.get(name)}_${secret}}`);
}

function upstream(fields: Fields, secret: (name: string) => string): Fields {
  const names = Object.keys(fields.extra_headers as object);
  const headers = variablesOf('HEADER', names);
  const proxy = fields.http_proxy as string | null;
  const isKept = secret('HEADER') === KEEP;
  return {
    ...fields,
    credential: fields.credential === null ? null : secret('CREDENTIAL'),
    extra_headers:
      isKept && names.length > 0
        ? KEEP
        : Object.fromEntries(names.map((name) => [name, secret(headers.get(name) ?? '')])),
    http_proxy: proxy?.startsWith('sha256:') ? secret('HTTP_PROXY') : proxy,
  };
}

/** Only what counts now and what is to come: what was charged before belongs to the log that it was charged in. */
function model(fields: Fields, nowMs: number): Fields {
  const { price_versions: versions, ...rest } = fields;
  const coming = (versions as { effective_from: string }[]).filter(
    ({ effective_from: from }) => Date.parse(from) > nowMs,
  );
  return { ...rest, ...(coming.length > 0 ? { price_versions: coming } : {}) };
}
