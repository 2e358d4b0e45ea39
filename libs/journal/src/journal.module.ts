import { type DynamicModule, Module } from '@nestjs/common';
import { Clock, RuntimeModule } from '@app/runtime';
import { CommittedRows } from './committed-rows.js';
import { ErasureJob } from './erasure-job.js';
import { Erasures } from './erasures.js';
import { FinishedRequests } from './finished-requests.js';
import type { JournalOptions } from './journal-writer.js';
import { Reconciliation } from './reconciliation.js';
import { Repricing } from './repricing.js';
import { RequestJournal } from './request-journal.js';
import { RequestLog } from './request-log.js';
import { RequestReports } from './request-reports.js';
import { RequestSearch } from './request-search.js';
import { SessionSearch } from './session-search.js';

/** The request log and its journal. Configured once, at the composition root. */
@Module({})
export class JournalModule {
  static forRoot(options: JournalOptions): DynamicModule {
    return {
      module: JournalModule,
      global: true,
      imports: [RuntimeModule],
      providers: [
        { provide: RequestJournal, useFactory: (clock: Clock) => new RequestJournal(options, clock), inject: [Clock] },
        CommittedRows,
        FinishedRequests,
        RequestLog,
        RequestSearch,
        RequestReports,
        SessionSearch,
        Reconciliation,
        Repricing,
        ErasureJob,
        Erasures,
      ],
      exports: [
        CommittedRows,
        Erasures,
        FinishedRequests,
        Reconciliation,
        Repricing,
        RequestJournal,
        RequestLog,
        RequestSearch,
        RequestReports,
        SessionSearch,
      ],
    };
  }
}
