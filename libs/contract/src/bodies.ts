import { z } from 'zod';
import { text } from './fields.js';
import { idOf } from './ids.js';

const PATTERNS_MAX = 20;
const PATTERN_CHARS_MAX = 300;
const PATHS_MAX = 50;
const PATH_CHARS_MAX = 200;
const IGNORES_CASE = '(?i)';

export const BodyPolicy = z
  .strictObject({
    capture: z.enum(['never', 'errors', 'sample', 'always']).meta({
      description:
        'Bodies of which requests are stored: none, those that end in an error, a part chosen at random, or all',
    }),
    sample_percent: z
      .number()
      .min(0)
      .max(100)
      .default(1)
      .meta({ description: 'How many of a hundred requests, when capture is sample' }),
    max_bytes: z
      .int()
      .min(1_024)
      .max(8 * 1_024 * 1_024)
      .default(1_024 * 1_024)
      .meta({ description: 'What is stored of each direction; what is longer is cut' }),
    retention_days: z.int().min(1).max(3_650).nullable().default(null).meta({
      description: 'Kept for so many days, if that is less than retention_request_bodies_days; null: for those',
    }),
  })
  .meta({ id: 'BodyPolicy' });
export type BodyPolicy = z.infer<typeof BodyPolicy>;

/** A regular expression as operators write it; `(?i)` in front ignores case. @throws SyntaxError */
export function compilePattern(pattern: string): RegExp {
  return pattern.startsWith(IGNORES_CASE)
    ? new RegExp(pattern.slice(IGNORES_CASE.length), 'gi')
    : new RegExp(pattern, 'g');
}

const Pattern = text()
  .min(1, 'must not be empty')
  .max(PATTERN_CHARS_MAX)
  .refine(isExpression, { error: 'must be a regular expression of JavaScript' })
  .refine((pattern) => !isExpression(pattern) || !compilePattern(pattern).test(''), {
    error: 'must not match the empty text',
  });

const JsonPath = text()
  .max(PATH_CHARS_MAX)
  .regex(
    /^\$(?:\.\.?(?:\*|[A-Za-z_][\w-]*)|\[(?:\d{1,9}|\*|'[^'\\]+')\])+$/,
    "must be a path such as $.metadata.user, $.input[*].content, $['a b'] or $..text",
  );

export const Redaction = z
  .strictObject({
    patterns: z.array(Pattern).max(PATTERNS_MAX).default([]).meta({
      description:
        'Regular expressions of JavaScript; (?i) in front ignores case. What they match is stored as [redacted]',
    }),
    json_paths: z.array(JsonPath).max(PATHS_MAX).default([]).meta({
      description:
        'Values of JSON that are stored as [redacted], such as $.metadata.user or $..text; of events, $ is their data and the response in it',
    }),
  })
  .meta({ id: 'Redaction' });
export type Redaction = z.infer<typeof Redaction>;

const part = {
  bytes: z.int().meta({ description: 'As it was sent, whole' }),
  stored_bytes: z.int().meta({ description: 'What it takes in the database' }),
  is_truncated: z.boolean().meta({ description: 'It was longer than max_bytes of the policy' }),
  is_redacted: z.boolean().meta({ description: 'Something in it is [redacted]' }),
};

export const RequestBody = z
  .object({
    request_id: z.string(),
    started_at: z.string(),
    expires_at: z.string().meta({ description: 'Until then it can be read' }),
    request: z
      .object({
        ...part,
        headers: z
          .array(z.object({ name: z.string(), value: z.string() }))
          .meta({ description: 'Those that tell of the client and its work; never a credential' }),
        text: z.string(),
      })
      .nullable()
      .meta({ description: 'null: there was no answer to store, or it was refused' }),
    response: z
      .object({ ...part, text: z.string() })
      .nullable()
      .meta({ description: 'An answer that is no stream' }),
    events: z
      .object({
        ...part,
        data: z.array(
          z.object({
            at_ms: z.number().meta({ description: 'When it was handed to the client, since the request arrived' }),
            event: z.string().nullable(),
            data: z.string().nullable().meta({ description: 'null: a comment, which keeps the stream open' }),
          }),
        ),
      })
      .nullable()
      .meta({ description: 'The answer, if it is a stream of events' }),
  })
  .meta({ id: 'RequestBody' });
export type RequestBody = z.infer<typeof RequestBody>;

const Day = z.iso.date({ error: 'must be a day (UTC), such as 2026-11-25' });

export const EraseBodiesQuery = z
  .strictObject({
    key: idOf('key').optional(),
    group: idOf('group').optional(),
    day: Day.optional().meta({ description: 'A day (UTC): its keys are dropped, so that nothing of it can be read' }),
  })
  .refine((query) => Object.values(query).filter((value) => value !== undefined).length === 1, {
    error: 'must be given, and nothing else: one of key, group and day',
    path: ['key'],
  });
export type EraseBodiesQuery = z.infer<typeof EraseBodiesQuery>;

export const ErasedBodies = z
  .object({
    bodies: z.int().nullable().meta({ description: 'How many were deleted; null: a day, whose keys were dropped' }),
    erased_until: z.string().meta({ description: 'Bodies of requests that began until then are gone for good' }),
  })
  .meta({ id: 'ErasedBodies' });
export type ErasedBodies = z.infer<typeof ErasedBodies>;

function isExpression(pattern: string): boolean {
  try {
    compilePattern(pattern);
    return true;
  } catch {
    return false;
  }
}
