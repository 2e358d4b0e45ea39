import { z } from 'zod';
import { text, Timestamp } from './fields.js';
import { anyId, idOf, toPublicId } from './ids.js';
import { PageQuery, pageOf } from './page.js';

const RANGE = {
  from: Timestamp.optional().meta({ description: 'Written at or after' }),
  to: Timestamp.optional().meta({ description: 'Written before' }),
};

export const ListAuditQuery = PageQuery.extend({
  cursor: z
    .string()
    .regex(/^\d{1,18}$/, 'must be the next_cursor of a page of this list')
    .optional()
    .meta({ description: '`next_cursor` of the page before' }),
  actor: text().min(1, 'must not be empty').max(200).optional().meta({ description: 'Who did it' }),
  action: text()
    .min(1, 'must not be empty')
    .max(100)
    .optional()
    .meta({ description: 'An action such as key.create, or how it begins, such as key.', examples: ['key.'] }),
  object_type: text().min(1, 'must not be empty').max(100).optional().meta({ description: 'Such as key or settings' }),
  object: anyId().optional().meta({ description: 'Public id of what it was done to, of whatever kind' }),
  ...RANGE,
  request_id: idOf('request')
    .transform((id) => toPublicId('request', id))
    .optional()
    .meta({ description: 'What the answer had as x-request-id' }),
});
export type ListAuditQuery = z.infer<typeof ListAuditQuery>;

export const AuditEntry = z
  .object({
    id: z.string(),
    sequence: z.int().meta({ description: 'One more than that of the entry before it' }),
    at: z.string(),
    actor: z.string(),
    ip: z.string().nullable().meta({ description: 'null: the gateway did it by itself' }),
    request_id: z.string().nullable().meta({ description: 'As the answer had it in x-request-id' }),
    action: z.string(),
    object_type: z.string(),
    object_id: z.string().nullable().meta({ description: 'null: there is one of it only, such as the settings' }),
    before: z.json().meta({ description: 'null: there was nothing before' }),
    after: z.json().meta({ description: 'null: there is nothing any more' }),
    hash: z.string().meta({ description: 'SHA-256 of the entry before it and all of this one, in hex' }),
  })
  .meta({ id: 'AuditEntry' });
export type AuditEntry = z.infer<typeof AuditEntry>;

export const AuditEntryList = pageOf(AuditEntry).meta({ id: 'AuditEntryList' });

export const VerifyAuditQuery = z.strictObject(RANGE);
export type VerifyAuditQuery = z.infer<typeof VerifyAuditQuery>;

export const AuditVerification = z
  .object({
    verified: z.boolean(),
    entries: z.int().meta({ description: 'How many are there and as they were, before the first fault' }),
    first_sequence: z.int().nullable(),
    last_sequence: z.int().nullable(),
    broken_at: z
      .object({
        sequence: z.int(),
        reason: z.enum(['altered', 'missing', 'repeated', 'unknown']).meta({
          description:
            'altered: it does not fit its hash and the entry before it; missing: it is not there, and retention has not dropped it; repeated: there are two of its number; unknown: the chain ends with another entry than is remembered',
        }),
      })
      .nullable()
      .meta({ description: 'The first fault' }),
  })
  .meta({ id: 'AuditVerification' });
export type AuditVerification = z.infer<typeof AuditVerification>;
