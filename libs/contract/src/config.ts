import { z } from 'zod';
import { ModelName, Name, Timestamp } from './fields.js';
import { CreateGroup } from './groups.js';
import { CreateKey } from './keys.js';
import { CreateModel } from './models.js';
import { PricesInput } from './prices.js';
import { UpdateSettings } from './settings.js';
import { CreateUpstream } from './upstreams.js';
import { CreateWebhook } from './webhooks.js';

const OBJECTS_MAX = 10_000;
const VERSIONS_MAX = 100;
/** In place of a secret: what is stored stays. */
export const KEEP = 'keep';
/** In place of a secret, or within it: a variable of the environment where the file is read. */
export const REFERENCE = /\$\{([A-Za-z_]\w*)\}/;

const keep = z.literal(KEEP);
const reference = z.string().max(1_000).regex(REFERENCE, 'must hold a reference such as ${NAME}');
const SECRET = '${NAME}: from the environment; keep: as it is stored';

const ConfigUpstream = CreateUpstream.extend({
  credential: CreateUpstream.shape.credential.meta({ description: `Sent as bearer token. ${SECRET}` }),
  extra_headers: z
    .union([keep, CreateUpstream.shape.extra_headers.unwrap()])
    .default({})
    .meta({ description: `Headers added to each call. ${SECRET}` }),
  http_proxy: z
    .union([keep, reference, CreateUpstream.shape.http_proxy.unwrap()])
    .default(null)
    .meta({ description: `HTTP proxy (CONNECT) between the gateway and the upstream. ${SECRET}` }),
}).meta({ id: 'ConfigUpstream' });
export type ConfigUpstream = z.infer<typeof ConfigUpstream>;

const PriceVersion = PricesInput.extend({
  effective_from: Timestamp.meta({ description: 'From when on they count' }),
});

const { upstreams: _upstreams, prices: _prices, name: modelName, aliases, ...modelRest } = CreateModel.shape;
const ConfigModel = z
  .strictObject({
    name: modelName,
    aliases,
    upstreams: z
      .array(
        z.strictObject({
          upstream: Name.meta({ description: 'Name of an upstream' }),
          upstream_model: ModelName.nullable()
            .default(null)
            .meta({ description: "The model's name there, when it differs" }),
        }),
      )
      .max(100)
      .default([])
      .meta({ description: 'Upstreams that serve it; empty: every upstream that is not limited to other models' }),
    ...modelRest,
    prices: PricesInput.omit({ effective_from: true }).nullable().optional().meta({
      description: 'What counts until a version of price_versions does; null: no price; left out: as it is',
    }),
    price_versions: z.array(PriceVersion).max(VERSIONS_MAX).optional().meta({
      description:
        'Versions that count from a time on. Those to come that are not here are taken back; left out: all stay',
    }),
  })
  .meta({ id: 'ConfigModel' });
export type ConfigModel = z.infer<typeof ConfigModel>;

const { group_id: _groupId, name: keyName, ...keyRest } = CreateKey.shape;
const ConfigKey = z
  .strictObject({
    name: keyName,
    group: Name.meta({ description: 'Name of a group' }),
    ...keyRest,
    secret: z.string().min(1).max(200).optional().meta({
      description: '${NAME}: a key of the form sk-tg-…; left out: as it is, and made and told once for a new key',
    }),
  })
  .meta({ id: 'ConfigKey' });
export type ConfigKey = z.infer<typeof ConfigKey>;

const ConfigWebhook = CreateWebhook.extend({
  secret: z
    .string()
    .min(1)
    .max(500)
    .optional()
    .meta({
      description: `Signs the deliveries, of the form whsec_…. ${SECRET}; left out: as it is, and made and told once for a new one`,
    }),
}).meta({ id: 'ConfigWebhook' });
export type ConfigWebhook = z.infer<typeof ConfigWebhook>;

/** The lists of a configuration file, in the order in which they refer to each other. */
export const CONFIG_LISTS = {
  upstreams: ConfigUpstream,
  models: ConfigModel,
  groups: CreateGroup,
  keys: ConfigKey,
  webhooks: ConfigWebhook,
} as const;
export type ConfigList = keyof typeof CONFIG_LISTS;

/** What a configuration file holds. Whatever an object leaves out has its default, but where it says otherwise. */
export const ConfigDocument = z
  .strictObject({
    version: z.literal(1, { error: 'must be 1' }),
    upstreams: listOf(ConfigUpstream),
    models: listOf(ConfigModel),
    groups: listOf(CreateGroup),
    keys: listOf(ConfigKey),
    webhooks: listOf(ConfigWebhook),
    settings: UpdateSettings.default({}).meta({ description: 'What is left out stays as it is' }),
  })
  .meta({ id: 'ConfigDocument', title: 'Tollgate configuration' });
export type ConfigDocument = z.infer<typeof ConfigDocument>;

/** For editors. */
export function configJsonSchema(): object {
  return z.toJSONSchema(ConfigDocument, { io: 'input', target: 'draft-2020-12' });
}

export const CONFIG_KINDS = ['upstream', 'model', 'group', 'key', 'webhook', 'settings'] as const;
export type ConfigKind = (typeof CONFIG_KINDS)[number];

const ConfigStep = z
  .object({
    action: z.enum(['create', 'update', 'delete', 'none']),
    kind: z.enum(CONFIG_KINDS),
    name: z.string(),
    changes: z.array(
      z.object({
        path: z.string().meta({ description: 'The field, such as windows.0.limit' }),
        before: z.json().meta({ description: 'null: nothing. Of a secret only the fingerprint' }),
        after: z.json(),
      }),
    ),
  })
  .meta({ id: 'ConfigStep' });
export type ConfigStep = z.infer<typeof ConfigStep>;

export const ConfigDiff = z.object({ has_changes: z.boolean(), data: z.array(ConfigStep) }).meta({ id: 'ConfigDiff' });
export type ConfigDiff = z.infer<typeof ConfigDiff>;

export const ConfigApplied = ConfigDiff.extend({
  issued: z
    .array(z.object({ kind: z.enum(['key', 'webhook']), id: z.string(), name: z.string(), secret: z.string() }))
    .meta({ description: 'Secrets that were made. They are told this once: keep them now' }),
}).meta({ id: 'ConfigApplied' });
export type ConfigApplied = z.infer<typeof ConfigApplied>;

export const ConfigDrift = ConfigDiff.extend({
  applied_at: z.string().nullable().meta({ description: 'null: no file was ever applied' }),
  applied_by: z.string().nullable(),
}).meta({ id: 'ConfigDrift' });
export type ConfigDrift = z.infer<typeof ConfigDrift>;

export const ExportConfigQuery = z.strictObject({
  format: z.enum(['yaml', 'json']).optional().meta({ description: 'Default: as Accept says, else json' }),
  secrets: z.enum(['reference', KEEP]).default('reference').meta({
    description: 'What stands for a secret: a reference such as ${TOLLGATE_UPSTREAM_OPENAI_CREDENTIAL}, or keep',
  }),
});
export type ExportConfigQuery = z.infer<typeof ExportConfigQuery>;

export const ChangeConfigQuery = z.strictObject({
  prune: z
    .enum(['true', 'false'])
    .default('false')
    .transform((text) => text === 'true')
    .meta({ description: 'true: what came from a file before and is not in this one is deleted' }),
});
export type ChangeConfigQuery = z.infer<typeof ChangeConfigQuery>;

/** Objects are told apart by their name. */
function listOf<T extends z.ZodType<{ name: string }>>(item: T) {
  return z
    .array(item)
    .max(OBJECTS_MAX)
    .default([])
    .superRefine((objects, context) => {
      const seen = new Set<string>();
      for (const [index, { name }] of objects.entries()) {
        if (seen.has(name)) {
          context.addIssue({ code: 'custom', path: [index, 'name'], message: `must not be ${name} a second time` });
        }
        seen.add(name);
      }
    });
}
