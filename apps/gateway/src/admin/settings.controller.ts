import { Body, Get, Patch } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { CompactionSettings } from '@app/compaction';
import { Settings, UpdateSettings } from '@app/contract';
import { ADMIN_ACTOR } from '../http/admin-token.js';
import { AdminController } from './admin.decorators.js';
import { given } from './given.js';

@AdminController('settings')
export class SettingsController {
  constructor(private readonly compaction: CompactionSettings) {}

  @Get()
  @ApiOperation({ summary: 'Read the settings of this installation' })
  @ApiOkResponse({ standardSchema: Settings })
  read(): Settings {
    return {
      compaction_instruction: this.compaction.current.instruction,
      compaction_instruction_in_force: this.compaction.instruction,
      compaction_max_age_days: this.compaction.current.maxAgeDays,
    };
  }

  @Patch()
  @ApiOperation({ summary: 'Change settings; in force at once' })
  @ApiOkResponse({ standardSchema: Settings })
  async update(@Body({ schema: UpdateSettings }) body: UpdateSettings): Promise<Settings> {
    await this.compaction.update(
      ADMIN_ACTOR,
      given({ instruction: body.compaction_instruction, maxAgeDays: body.compaction_max_age_days }),
    );
    return this.read();
  }
}
