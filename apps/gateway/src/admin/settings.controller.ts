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
import { shownOptions, toOptions } from './setting-fields.js';

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
      ...shownOptions(compaction, kept),
      compaction_instruction_in_force: this.compaction.instructionOf(compaction),
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
    const { compaction, storage } = toOptions(body);
    await this.settings.change(actor, seen, [this.compaction.changed(compaction), this.storage.changed(storage)]);
    return this.read();
  }
}
