import { Module } from '@nestjs/common';
import { Clock } from './clock.js';

/** What any process needs, whatever the product. */
@Module({ providers: [Clock], exports: [Clock] })
export class RuntimeModule {}
