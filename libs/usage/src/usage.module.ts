import { Module } from '@nestjs/common';
import { RuntimeModule } from '@app/runtime';
import { UsageReport } from './usage-report.js';

@Module({ imports: [RuntimeModule], providers: [UsageReport], exports: [UsageReport] })
export class UsageModule {}
