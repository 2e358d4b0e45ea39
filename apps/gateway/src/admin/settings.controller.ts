import { Body, Get, Patch } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { CompactionSettings } from '@app/compaction';
import { Settings, UpdateSettings } from '@app/contract';
import { SettingsUpdate } from '@app/database';
import { StorageSettings } from '@app/storage';
import { Permit } from '../identity/permissions.js';
import { Actor } from '../identity/principal.js';
import { AdminController } from './admin.decorators.js';
import { given } from './given.js';

@AdminController('settings')
export class SettingsController {
  constructor(
    private readonly compaction: CompactionSettings,
    private readonly storage: StorageSettings,
    private readonly settings: SettingsUpdate,
  ) {}

  @Get()
  @Permit('settings:read')
  @ApiOperation({ summary: 'Read the settings of this installation' })
  @ApiOkResponse({ standardSchema: Settings })
  read(): Settings {
    const kept = this.storage.current;
    return {
      compaction_instruction: this.compaction.current.instruction,
      compaction_instruction_in_force: this.compaction.instruction,
      compaction_max_age_days: this.compaction.current.maxAgeDays,
      retention_request_rows_days: kept.requestRowsDays,
      retention_request_bodies_days: kept.requestBodiesDays,
      retention_usage_hours_days: kept.usageHoursDays,
      retention_audit_days: kept.auditDays,
      retention_alerts_days: kept.alertsDays,
      disk_budget_bytes: kept.diskBudgetBytes,
    };
  }

  @Patch()
  @Permit('settings:write')
  @ApiOperation({ summary: 'Change settings; in force at once' })
  @ApiOkResponse({ standardSchema: Settings })
  async update(@Actor() actor: string, @Body({ schema: UpdateSettings }) body: UpdateSettings): Promise<Settings> {
    const compaction = given({ instruction: body.compaction_instruction, maxAgeDays: body.compaction_max_age_days });
    const storage = given({
      requestRowsDays: body.retention_request_rows_days,
      requestBodiesDays: body.retention_request_bodies_days,
      usageHoursDays: body.retention_usage_hours_days,
      auditDays: body.retention_audit_days,
      alertsDays: body.retention_alerts_days,
      diskBudgetBytes: body.disk_budget_bytes,
    });
    await this.settings.apply(actor, [
      ...(Object.keys(compaction).length > 0 ? [this.compaction.changed(compaction)] : []),
      ...(Object.keys(storage).length > 0 ? [this.storage.changed(storage)] : []),
    ]);
    return this.read();
  }
}
