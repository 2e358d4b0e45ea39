import { Body, Get, Patch } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { CompactionSettings } from '@app/compaction';
import { Settings, UpdateSettings } from '@app/contract';
import { InstallationSettings, type SeenVersions } from '@app/database';
import { StorageSettings } from '@app/storage';
import { IfMatch } from '../conditional/if-match.js';
import { Tagged } from '../conditional/tagged.js';
import { Permit } from '../identity/permissions.js';
import { Actor } from '../identity/principal.js';
import { AdminController } from './admin.decorators.js';
import { given } from './given.js';

@AdminController('settings')
export class SettingsController {
  constructor(
    private readonly settings: InstallationSettings,
    private readonly compaction: CompactionSettings,
    private readonly storage: StorageSettings,
  ) {}

  @Get()
  @Permit('settings:read')
  @ApiOperation({ summary: 'Read the settings of this installation' })
  @ApiOkResponse({ standardSchema: Settings })
  async read(): Promise<Tagged<Settings>> {
    const version = await this.settings.version();
    const [compaction, kept] = await Promise.all([this.compaction.read(), this.storage.read()]);
    const shown = {
      compaction_instruction: compaction.instruction,
      compaction_instruction_in_force: this.compaction.instructionOf(compaction),
      compaction_max_age_days: compaction.maxAgeDays,
      retention_request_rows_days: kept.requestRowsDays,
      retention_request_bodies_days: kept.requestBodiesDays,
      retention_usage_hours_days: kept.usageHoursDays,
      retention_audit_days: kept.auditDays,
      retention_alerts_days: kept.alertsDays,
      disk_budget_bytes: kept.diskBudgetBytes,
    };
    return new Tagged(shown, version);
  }

  @Patch()
  @Permit('settings:write')
  @ApiOperation({ summary: 'Change settings; in force at once' })
  @ApiOkResponse({ standardSchema: Settings })
  async update(
    @Actor() actor: string,
    @Body({ schema: UpdateSettings }) body: UpdateSettings,
    @IfMatch() seen: SeenVersions,
  ): Promise<Tagged<Settings>> {
    const compaction = given({ instruction: body.compaction_instruction, maxAgeDays: body.compaction_max_age_days });
    const storage = given({
      requestRowsDays: body.retention_request_rows_days,
      requestBodiesDays: body.retention_request_bodies_days,
      usageHoursDays: body.retention_usage_hours_days,
      auditDays: body.retention_audit_days,
      alertsDays: body.retention_alerts_days,
      diskBudgetBytes: body.disk_budget_bytes,
    });
    await this.settings.change(actor, seen, [this.compaction.changed(compaction), this.storage.changed(storage)]);
    return this.read();
  }
}
