import { Module } from '@nestjs/common';
import { RuntimeModule } from '@app/runtime';
import { Limiter } from './limiter.js';

@Module({ imports: [RuntimeModule], providers: [Limiter], exports: [Limiter] })
export class LimitsModule {}
