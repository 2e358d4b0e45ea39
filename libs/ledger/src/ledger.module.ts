import { Module } from '@nestjs/common';
import { RuntimeModule } from '@app/runtime';
import { Ledger } from './ledger.js';

@Module({ imports: [RuntimeModule], providers: [Ledger], exports: [Ledger] })
export class LedgerModule {}
