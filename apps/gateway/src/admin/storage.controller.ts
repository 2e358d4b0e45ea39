import { Get } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { Storage } from '@app/contract';
import { RequestJournal } from '@app/journal';
import { DiskUsage, StorageSettings } from '@app/storage';
import { Permit } from '../identity/permissions.js';
import { AdminController } from './admin.decorators.js';

@AdminController('storage')
export class StorageController {
  constructor(
    private readonly usage: DiskUsage,
    private readonly settings: StorageSettings,
    private readonly journal: RequestJournal,
  ) {}

  @Get()
  @Permit('status:read')
  @ApiOperation({ summary: 'What is stored takes, and the days until the disk budget is reached' })
  @ApiOkResponse({ standardSchema: Storage })
  async read(): Promise<Storage> {
    const usage = await this.usage.measure();
    const { bytes: journalBytes } = this.journal;
    return {
      database_bytes: usage.bytes,
      journal_bytes: journalBytes,
      bytes_per_day: usage.tables.reduce((sum, { bytesPerDay }) => sum + bytesPerDay, 0),
      disk_budget_bytes: this.settings.current.diskBudgetBytes,
      days_until_disk_budget: this.usage.daysUntilBudget(usage, journalBytes),
      tables: usage.tables.map(({ name, bytes, bytesPerDay, keptDays }) => ({
        name,
        bytes,
        bytes_per_day: bytesPerDay,
        kept_days: keptDays,
      })),
    };
  }
}
