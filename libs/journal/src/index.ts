export { type ErasureRow, Erasures, type ErasureSubject } from './erasures.js';
export { CommittedRows, type RowWatcher } from './committed-rows.js';
export { FinishedRequests } from './finished-requests.js';
export { JournalModule } from './journal.module.js';
export { type Outcome, outcomeOf } from './outcome.js';
export { type JournalOptions } from './journal-writer.js';
export { RequestJournal } from './request-journal.js';
export {
  type CostChange,
  type RepricedKey,
  type RepricedRange,
  Repricing,
  type RepricingOptions,
} from './repricing.js';
export { RequestLog } from './request-log.js';
export {
  type Answering,
  type ClientLeftAction,
  type CompactionNote,
  type Holding,
  type RecordKeeper,
  type RequestKind,
  RequestRecord,
  type Settlement,
  type UpstreamAttempt,
  type UsageSource,
  type UsageWatch,
  type WriteWaiter,
} from './request-record.js';
export { EVERY_REQUEST, type RequestFilter } from './request-filter.js';
export { type RequestMatch, requestMatch } from './request-match.js';
export { type Compared, Reconciliation } from './reconciliation.js';
export { type Measure, MEASURES } from './usage-totals.js';
export { type Facet, type HistogramBucket, RequestReports } from './request-reports.js';
export { RequestSearch } from './request-search.js';
export { type RequestRow } from './request-row.js';
export { storable } from './storable.js';
export { type SessionRow, SessionSearch } from './session-search.js';
