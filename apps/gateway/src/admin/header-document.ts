import type { OpenAPIObject } from '@nestjs/swagger';

type PathItem = OpenAPIObject['paths'][string];
type Operation = NonNullable<PathItem['get']>;

const PROBLEM = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };

const IDEMPOTENCY_KEY = {
  name: 'Idempotency-Key',
  in: 'header' as const,
  required: false,
  description:
    'A key of your own, such as a UUID: for 24 hours the same request with the same key gets the answer of the first, and nothing is done twice.',
  schema: { type: 'string', minLength: 1, maxLength: 255 },
};
const IF_NONE_MATCH = {
  name: 'If-None-Match',
  in: 'header' as const,
  required: false,
  description: 'The `ETag` of what you have: 304 while it is still so.',
  schema: { type: 'string', example: '"7"' },
};
const ETAG = { description: 'The version of the object, for If-Match and If-None-Match', schema: { type: 'string' } };
const REPLAYED = {
  description: '`true`: the answer of an earlier request with the same key',
  schema: { type: 'string' },
};

/**
 * Describes the headers that whole kinds of routes of the admin API have: `Idempotency-Key` of every POST, tags of what can be changed
 * by its tag.
 */
export function withHeaders(document: OpenAPIObject): OpenAPIObject {
  const paths = Object.entries(document.paths).filter(([path]) => path.startsWith('/admin/v1/'));
  for (const [path, item] of paths) {
    if (item.post) describeIdempotency(item.post);
    const isTagged = takesTag(item.patch);
    const created = document.paths[`${path}/{id}`];
    if (isTagged && item.get) describeRead(item.get);
    if (isTagged && item.patch) describeTag(item.patch);
    if (item.post && (takesTag(item.post) || takesTag(created?.patch))) describeTag(item.post);
  }
  return document;
}

function takesTag(operation: Operation | undefined): boolean {
  return (operation?.parameters ?? []).some((parameter) => 'name' in parameter && parameter.name === 'If-Match');
}

function describeIdempotency(operation: Operation): void {
  operation.parameters = [...(operation.parameters ?? []), IDEMPOTENCY_KEY];
  const { responses } = operation;
  responses['409'] ??= {
    description:
      'It is in conflict with what is there (`conflict`), or the first request with this key is still being performed (`idempotency_request_in_progress`)',
    headers: { 'Retry-After': { description: 'Seconds', schema: { type: 'integer' } } },
    content: PROBLEM,
  };
  responses['422'] ??= {
    description:
      'It is not valid (`validation_failed`), or the key came with another request (`idempotency_key_reused`)',
    content: PROBLEM,
  };
  addHeader(operation, 'Idempotency-Replayed', REPLAYED);
}

function describeRead(operation: Operation): void {
  operation.parameters = [...(operation.parameters ?? []), IF_NONE_MATCH];
  operation.responses['304'] = { description: 'You have it already', headers: { ETag: ETAG } };
  describeTag(operation);
}

function describeTag(operation: Operation): void {
  addHeader(operation, 'ETag', ETAG);
}

/** To the answer that tells of success. */
function addHeader({ responses }: Operation, name: string, header: object): void {
  for (const [status, response] of Object.entries(responses)) {
    if (!status.startsWith('2') || !response || '$ref' in response) continue;
    response.headers = { ...response.headers, [name]: header };
  }
}
