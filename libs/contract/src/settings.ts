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

const kept = (what: string, daysMin: number) =>
  z
    .int()
    .min(daysMin)
    .max(36_500)
    .meta({ description: `How many days ${what} are kept` });
const storage = {
  retention_request_rows_days: kept('rows of the request log', 1),
  retention_request_bodies_days: kept('bodies of requests and answers, where they are stored', 1),
  // Windows of plans and budgets are counted from them after a restart, and may be as long as a year.
  retention_usage_hours_days: kept('totals by the hour (never less than the rows; those by the day stay)', 367),
  retention_audit_days: kept('entries of the audit log', 1),
  retention_alerts_days: kept('alerts and their deliveries', 1),
  disk_budget_bytes: z
    .int()
    .min(1_000_000)
    .nullable()
    .meta({ description: 'What the database and the journal may take together; null: nobody has said' }),
};

export const UpdateSettings = z
  .strictObject({ compaction_instruction: instruction, compaction_max_age_days: maxAgeDays, ...storage })
  .partial()
  .meta({ id: 'UpdateSettings' });
export type UpdateSettings = z.infer<typeof UpdateSettings>;

export const Settings = z
  .object({
    compaction_instruction: instruction,
    compaction_instruction_in_force: z.string(),
    compaction_max_age_days: maxAgeDays,
    ...storage,
  })
  .meta({ id: 'Settings' });
export type Settings = z.infer<typeof Settings>;
