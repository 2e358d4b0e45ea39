import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, type OpenAPIObject, SwaggerModule } from '@nestjs/swagger';
import { SESSION_COOKIE } from '../identity/session-cookie.js';
import { withHeaders } from './header-document.js';

type JsonSchema = Record<string, unknown>;
/** As a schema of zod is, by the Standard JSON Schema. */
interface StandardSchema {
  readonly '~standard': {
    readonly jsonSchema: Record<'input' | 'output', (options: { target: string }) => JsonSchema>;
  };
}

/** `/admin/docs` for people, `/admin/v1/openapi.json` for programs; both made from the schemas that check the requests. */
export function documentAdminApi(app: NestFastifyApplication): void {
  let made: OpenAPIObject | null = null;
  SwaggerModule.setup('admin/docs', app, () => (made ??= adminApiDocument(app)), {
    jsonDocumentUrl: 'admin/v1/openapi.json',
    yamlDocumentUrl: 'admin/v1/openapi.yaml',
    customSiteTitle: 'Tollgate admin API',
  });
}

/** Made when it is first asked for: no start waits for it. */
function adminApiDocument(app: NestFastifyApplication): OpenAPIObject {
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Tollgate admin API')
    .setDescription(
      'Keys, groups, models, upstreams, the request log, stored bodies, usage totals, alerts, webhooks, operators and their tokens.',
    )
    .setVersion('1')
    .addBearerAuth({ type: 'http', bearerFormat: 'tga-…', description: 'An admin token' })
    .addCookieAuth(SESSION_COOKIE, {
      type: 'apiKey',
      description: 'A session; what changes something has to send x-tollgate-csrf, too',
    })
    .build();
  const document = SwaggerModule.createDocument(app, config, {
    operationIdFactory: (controller, method) =>
      `${method}_${controller.replace(/(?:Admin)?Controller$/, '').toLowerCase()}`,
    standardSchemaConverter,
  });
  for (const operation of operationsOf(document)) describeProblems(operation);
  return withHeaders(document);
}

/** In the dialect of OpenAPI 3.1; Nest would take that of 3.0. */
function standardSchemaConverter(schema: unknown, { schemaType }: { schemaType: 'input' | 'output' }) {
  const { jsonSchema } = (schema as StandardSchema)['~standard'];
  const { $defs, $schema: _, ...rest } = jsonSchema[schemaType]({ target: 'draft-2020-12' });
  const components = Object.entries(($defs ?? {}) as Record<string, JsonSchema>);
  return {
    schema: wrapped(rest),
    components: Object.fromEntries(components.map(([name, definition]) => [name, wrapped(definition)])),
  };
}

/** Nest does not look at a reference that is all of a schema. */
function wrapped(schema: JsonSchema): JsonSchema {
  return '$ref' in schema ? { allOf: [schema] } : schema;
}

interface Operation {
  responses: Record<string, { content?: Record<string, unknown> }>;
}

function operationsOf({ paths }: OpenAPIObject): Operation[] {
  return Object.values(paths).flatMap((methods) => Object.values(methods) as Operation[]);
}

/** Problems have a media type of their own (RFC 9457). */
function describeProblems({ responses }: Operation): void {
  const { default: problem } = responses;
  const schema = problem?.content?.['application/json'];
  if (problem && schema) problem.content = { 'application/problem+json': schema };
}
