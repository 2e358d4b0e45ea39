import { z } from 'zod';
import { idOf } from './ids.js';
import { pageOf } from './page.js';
import { SessionId } from './sessions.js';

export const BeginErasure = z
  .strictObject({
    key_id: idOf('key').optional(),
    group_id: idOf('group').optional(),
    session_id: SessionId.optional(),
  })
  .refine((subject) => Object.values(subject).filter((id) => id !== undefined).length === 1, {
    error: 'must have one of key_id, group_id and session_id',
  })
  .meta({ id: 'BeginErasure' });
export type BeginErasure = z.infer<typeof BeginErasure>;

export const Erasure = z
  .object({
    id: z.string(),
    key_id: z.string().nullable(),
    group_id: z.string().nullable(),
    session_id: z.string().nullable().meta({ description: 'null after a week, too' }),
    state: z.enum(['running', 'confirming', 'done']).meta({
      description: 'confirming: every row is erased, but for those that were being written; they are after a minute',
    }),
    rows: z.int().meta({ description: 'Erased so far' }),
    erased_until: z.string().nullable().meta({ description: 'How far a pass has come that is under way' }),
    created_at: z.string().meta({ description: 'Requests are meant that began before' }),
    first_finished_at: z.string().nullable(),
  })
  .meta({ id: 'Erasure' });
export type Erasure = z.infer<typeof Erasure>;

export const ErasureList = pageOf(Erasure).meta({ id: 'ErasureList' });
