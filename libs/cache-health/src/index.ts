export {
  type AnsweredTurn,
  CACHED_TOKENS_MIN,
  type CacheDropCause,
  cacheDropOf,
  type Turn,
  type TurnChange,
} from './cache-drop.js';
export {
  itemsOf,
  type PrefixChange,
  prefixChange,
  type PrefixFingerprint,
  prefixFingerprint,
} from './prefix-fingerprint.js';
export { PrefixWatch, type PrefixWatchBounds, type WatchedTurn } from './prefix-watch.js';
