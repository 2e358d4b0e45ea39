export { compactionItem, isCompactionType, isKept, keptMessage, summaryItems } from './compacted-output.js';
export {
  CompactionSeal,
  compactionKeyOf,
  CompactionSealError,
  modelFamily,
  SUMMARY_BYTES_MAX,
} from './compaction-seal.js';
export { CompactedHistories, HISTORY_BYTES_MAX } from './compacted-histories.js';
export { type CompactionForm, CompactionSupports } from './compaction-support.js';
export { isSealedHere, withOpenedCompactions } from './sealed-input.js';
export { PARTS_INTRODUCTION, partIntroduction, SUMMARY_INSTRUCTION, SUMMARY_REQUEST } from './summary-instruction.js';
export { isSummaryMessage, lostCompactionMessage, summaryMessage } from './summary-message.js';
export {
  cutAt,
  cutsOf,
  fingerprintOfItems,
  type InputCut,
  shortenedInput,
  summarizedItems,
} from './shortened-input.js';
export { chunked, transcriptOf } from './transcript.js';
export { CompactionModule } from './compaction.module.js';
export { type CompactionOptions, CompactionSettings } from './compaction-settings.js';
export { moveOlderKeys, readOlderKeys } from './older-keys.js';
