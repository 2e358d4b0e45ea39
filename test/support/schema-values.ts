import type { AdminDescription, JsonSchema } from './admin-operations.js';

type Resolve = AdminDescription['resolved'];

const OF_EACH_TYPE: readonly (readonly [types: readonly string[], value: unknown])[] = [
  [['string'], 'odd'],
  [['integer', 'number'], 7],
  [['boolean'], true],
  [['array'], [[]]],
  [['object'], { odd: { odd: 1 } }],
  [['null'], null],
];

/** Of the right type, and yet nothing that anybody would send. */
const ODD: Readonly<Record<string, readonly unknown[]>> = {
  string: ['', '\0', '\ud800', 'x'.repeat(50_000), '../..', '__proto__'],
  integer: [-1, 1.5, 1e308, 2 ** 53],
  number: [-1, 1e308],
  boolean: [],
  array: [Array.from({ length: 5_000 }, () => null), ['\0'], [{}]],
  object: [{ constructor: { prototype: 1 } }, { '\0': '\0' }],
};

/**
 * The least that a schema takes.
 *
 * @param idOf an existing thing of a kind, such as `group`, where the schema asks for its id
 */
export function minimalValue(schema: JsonSchema, resolve: Resolve, idOf: (kind: string) => string): unknown {
  const { type, anyOf, oneOf, ...rest } = resolve(schema);
  const [first] = anyOf ?? oneOf ?? [];
  if (first) return minimalValue(first, resolve, idOf);
  const given = rest.example ?? rest.enum?.[0];
  if (given !== undefined) return given;
  switch (type) {
    case 'string':
      return minimalText(rest, idOf);
    case 'integer':
    case 'number':
      return rest.minimum ?? 1;
    case 'boolean':
      return true;
    case 'array':
      return Array.from({ length: rest.minItems ?? 0 }, () => minimalValue(rest.items ?? {}, resolve, idOf));
    default: {
      const names = Object.keys(rest.properties ?? {});
      const needed = names.filter((name) => rest.required?.includes(name) && !('default' in property(rest, name)));
      return Object.fromEntries(needed.map((name) => [name, minimalValue(property(rest, name), resolve, idOf)]));
    }
  }
}

/** Values of all JSON types that a schema does not take. */
export function wrongValues(schema: JsonSchema, resolve: Resolve): unknown[] {
  const accepted = typesOf(schema, resolve);
  return OF_EACH_TYPE.filter(([types]) => !types.some((type) => accepted.has(type))).map(([, value]) => value);
}

/** Values of the types that a schema takes, which it may not like. */
export function oddValues(schema: JsonSchema, resolve: Resolve): unknown[] {
  return [...typesOf(schema, resolve)].flatMap((type) => ODD[type] ?? []);
}

function typesOf(schema: JsonSchema, resolve: Resolve): Set<string> {
  const { type, nullable, anyOf, oneOf } = resolve(schema);
  const types = [anyOf ?? oneOf ?? []].flat().flatMap((part) => [...typesOf(part, resolve)]);
  return new Set([...types, ...(type ? [type] : []), ...(nullable ? ['null'] : [])]);
}

function property({ properties }: JsonSchema, name: string): JsonSchema {
  return properties?.[name] ?? {};
}

/** Unique, so that it is nobody's name yet. */
function minimalText(
  { description, format, minLength = 0, ...rest }: JsonSchema,
  idOf: (kind: string) => string,
): string {
  const [, kind] = /^Id of an? (\w+): /.exec(description ?? '') ?? [];
  if (kind !== undefined) return idOf(kind);
  if (format === 'date-time') return new Date().toISOString();
  const unique = `x${Math.random().toString(36).slice(2, 12)}`.padEnd(minLength, 'x');
  return 'pattern' in rest && String(rest.pattern).includes('@') ? `${unique}@example.com` : unique;
}
