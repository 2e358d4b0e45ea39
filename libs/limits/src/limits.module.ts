import { Module } from '@nestjs/common';
import { RuntimeModule } from '@app/runtime';
import { Limiter } from './limiter.js';
import { SharedLimits } from './shared-limits.js';

@Module({ imports: [RuntimeModule], providers: [Limiter, SharedLimits], exports: [Limiter] })
export class LimitsModule {}
