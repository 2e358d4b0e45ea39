import { type Permission, PERMISSIONS } from '../../libs/contract/src/index.js';

/** A schema of the description, as far as tests read it. */
export interface JsonSchema {
  type?: 'string' | 'number' | 'integer' | 'boolean' | 'array' | 'object';
  description?: string;
  nullable?: boolean;
  enum?: unknown[];
  example?: unknown;
  default?: unknown;
  format?: string;
  minimum?: number;
  minLength?: number;
  minItems?: number;
  items?: JsonSchema;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  allOf?: JsonSchema[];
  anyOf?: JsonSchema[];
  oneOf?: JsonSchema[];
  $ref?: string;
}

export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header';
  required?: boolean;
  description?: string;
  schema: JsonSchema;
}

/** One route of the admin API, as the gateway describes it. */
export interface Operation {
  /** Such as `GET /keys/{id}`. */
  name: string;
  method: string;
  /** Below /admin/v1. */
  path: string;
  /** null: everybody may call it. */
  permission: Permission | null;
  /** Somebody who sees only what concerns some keys may call it. */
  isOwn: boolean;
  parameters: Parameter[];
  /** null: it takes none. */
  body: JsonSchema | null;
  security: Record<string, string[]>[] | undefined;
}

interface DescribedOperation {
  parameters?: Parameter[];
  requestBody?: { content: { 'application/json': { schema: JsonSchema } } };
  security?: Record<string, string[]>[];
  'x-permission'?: string;
  'x-scope'?: string;
}

/** The description of the admin API that a gateway gives. */
export class AdminDescription {
  readonly operations: Operation[];

  private constructor(
    private readonly document: {
      paths: Record<string, Record<string, DescribedOperation>>;
      components: { schemas: Record<string, JsonSchema>; securitySchemes: Record<string, object> };
    },
  ) {
    this.operations = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.entries(methods).map(([method, operation]) => toOperation(method.toUpperCase(), path, operation)),
    );
  }

  static async of({ url }: { url: string }): Promise<AdminDescription> {
    const answer = await fetch(`${url}/admin/v1/openapi.json`);
    return new AdminDescription((await answer.json()) as AdminDescription['document']);
  }

  get securitySchemes(): Record<string, object> {
    return this.document.components.securitySchemes;
  }

  /** A schema with what it refers to in its place. */
  readonly resolved = (schema: JsonSchema): JsonSchema => {
    const { $ref, allOf = [], ...own } = schema;
    const parts = [...($ref === undefined ? [] : [{ $ref }]), ...allOf].map((part) => this.resolved(this.target(part)));
    const properties = Object.assign({}, ...[...parts, own].map((part) => part.properties)) as JsonSchema['properties'];
    const required = [...parts, own].flatMap((part) => part.required ?? []);
    return Object.assign(
      {},
      ...parts,
      own,
      properties && Object.keys(properties).length > 0 ? { properties, required } : {},
    );
  };

  private target({ $ref, ...schema }: JsonSchema): JsonSchema {
    if ($ref === undefined) return schema;
    const found = this.document.components.schemas[$ref.split('/').at(-1) ?? ''];
    if (!found) throw new Error(`the description has no ${$ref}`);
    return found;
  }
}

function toOperation(method: string, url: string, operation: DescribedOperation): Operation {
  const path = url.replace(/^\/admin\/v1/, '');
  const permission = operation['x-permission'] ?? null;
  if (permission !== null && !(PERMISSIONS as readonly string[]).includes(permission)) {
    throw new Error(`${method} ${path} asks for ${permission}, which is no permission`);
  }
  return {
    name: `${method} ${path}`,
    method,
    path,
    permission: permission as Permission | null,
    isOwn: operation['x-scope'] === 'own',
    parameters: operation.parameters ?? [],
    body: operation.requestBody?.content['application/json'].schema ?? null,
    security: operation.security,
  };
}
