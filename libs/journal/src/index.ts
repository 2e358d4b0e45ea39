export { CommittedRows, type RowWatcher } from './committed-rows.js';
export { FinishedRequests } from './finished-requests.js';
export { JournalModule } from './journal.module.js';
export { type Outcome, outcomeOf } from './outcome.js';
export { PartitionKeeper } from './partition-keeper.js';
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
} from './request-record.js';
export { EVERY_REQUEST, type RequestFilter } from './request-filter.js';
export { type RequestMatch, requestMatch } from './request-match.js';
export { type Facet, type HistogramBucket, RequestReports } from './request-reports.js';
export { RequestSearch } from './request-search.js';
export { type RequestRow, storable } from './request-row.js';
export { type SessionRow, SessionSearch } from './session-search.js';
