import type { CompactionOptions } from '@app/compaction';
import type { Settings, UpdateSettings } from '@app/contract';
import type { StorageOptions } from '@app/storage';
import { given } from './given.js';

/** The options that a change of settings gives, by whose they are. */
export function toOptions(body: UpdateSettings): {
  compaction: Partial<CompactionOptions>;
  storage: Partial<StorageOptions>;
} {
  return {
    compaction: given({ instruction: body.compaction_instruction, maxAgeDays: body.compaction_max_age_days }),
    storage: given({
      requestRowsDays: body.retention_request_rows_days,
      requestBodiesDays: body.retention_request_bodies_days,
      usageHoursDays: body.retention_usage_hours_days,
      auditDays: body.retention_audit_days,
      alertsDays: body.retention_alerts_days,
      diskBudgetBytes: body.disk_budget_bytes,
    }),
  };
}

/** Settings as the API shows them, but for what follows from them. */
export function shownOptions(
  compaction: CompactionOptions,
  storage: StorageOptions,
): Omit<Settings, 'compaction_instruction_in_force'> {
  return {
    compaction_instruction: compaction.instruction,
    compaction_max_age_days: compaction.maxAgeDays,
    retention_request_rows_days: storage.requestRowsDays,
    retention_request_bodies_days: storage.requestBodiesDays,
    retention_usage_hours_days: storage.usageHoursDays,
    retention_audit_days: storage.auditDays,
    retention_alerts_days: storage.alertsDays,
    disk_budget_bytes: storage.diskBudgetBytes,
  };
}
