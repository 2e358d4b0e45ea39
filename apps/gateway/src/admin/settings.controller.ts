import { Body, Get, Patch } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { CompactionSettings } from '@app/compaction';
import { Settings, UpdateSettings } from '@app/contract';
import { StorageSettings } from '@app/storage';
import { Permit } from '../identity/permissions.js';
import { Actor } from '../identity/principal.js';
import { AdminController } from './admin.decorators.js';
import { shownOptions, toOptions } from './setting-fields.js';

@AdminController('settings')
export class SettingsController {
  constructor(
    private readonly compaction: CompactionSettings,
    private readonly storage: StorageSettings,
  ) {}

  @Get()
  @Permit('settings:read')
  @ApiOperation({ summary: 'Read the settings of this installation' })
  @ApiOkResponse({ standardSchema: Settings })
  read(): Settings {
    return {
      ...shownOptions(this.compaction.current, this.storage.current),
      compaction_instruction_in_force: this.compaction.instruction,
    };
  }

  @Patch()
  @Permit('settings:write')
  @ApiOperation({ summary: 'Change settings; in force at once' })
  @ApiOkResponse({ standardSchema: Settings })
  async update(@Actor() actor: string, @Body({ schema: UpdateSettings }) body: UpdateSettings): Promise<Settings> {
    const { compaction, storage } = toOptions(body);
    if (Object.keys(compaction).length > 0) await this.compaction.update(actor, compaction);
    if (Object.keys(storage).length > 0) await this.storage.update(actor, storage);
    return this.read();
  }
}
