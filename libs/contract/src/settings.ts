import { z } from 'zod';
import { text } from './fields.js';

const instruction = text()
  .trim()
  .min(20, 'must have at least 20 characters')
  .max(20_000)
  .nullable()
  .meta({ description: 'What a model is told when it summarises a conversation; null: the instruction of Tollgate' });
const maxAgeDays = z
  .int()
  .min(1)
  .max(3_650)
  .meta({ description: 'How long a sealed compaction can be used again after it was made' });

export const UpdateSettings = z
  .strictObject({ compaction_instruction: instruction, compaction_max_age_days: maxAgeDays })
  .partial()
  .meta({ id: 'UpdateSettings' });
export type UpdateSettings = z.infer<typeof UpdateSettings>;

export const Settings = z
  .object({
    compaction_instruction: instruction,
    compaction_instruction_in_force: z.string(),
    compaction_max_age_days: maxAgeDays,
  })
  .meta({ id: 'Settings' });
export type Settings = z.infer<typeof Settings>;
