import type { AlertSeverity, AlertType, CacheDrop, IdKind } from '@app/contract';

/** What alerts about limits carry: of which limit, and how much of it is used. */
export interface LimitAlertData {
  /** The group or key, as people call it. */
  readonly name: string;
  /** Such as `windows.week`, `budget_usd` or `requests_per_minute`. */
  readonly limit_name: string;
  /** Numbers and money as decimal strings, in the limit's own unit. */
  readonly limit: string;
  readonly used: string;
  readonly used_percent: number;
  /** RFC 3339; null: it does not reset by itself. */
  readonly resets_at: string | null;
}

/** What each type of alert carries besides what all have; these are the fields that webhooks receive. */
export interface AlertData {
  readonly 'group.limit.soft_threshold': LimitAlertData & { readonly threshold_percent: number };
  readonly 'group.limit.reached': LimitAlertData;
  readonly 'key.limit.soft_threshold': LimitAlertData & { readonly threshold_percent: number };
  readonly 'key.limit.reached': LimitAlertData;
  readonly 'upstream.down': {
    readonly name: string;
    readonly reason: 'circuit_open' | 'tripped';
    readonly problem: string | null;
  };
  readonly 'upstream.recovered': { readonly name: string };
  readonly 'model.unpriced': { readonly model: string };
  readonly 'cache.dropped': CacheDrop & {
    readonly name: string;
    readonly model: string | null;
    readonly upstream: string | null;
    /** The turn that lost the cache. */
    readonly request_id: string;
  };
  readonly 'webhook.test': { readonly name: string };
}

/** What an alert can be about. */
export type AlertObject = Extract<IdKind, 'key' | 'group' | 'model' | 'upstream' | 'webhook'>;

/** An event that operators are to be told of. */
export type RaisedAlert = {
  readonly [Type in AlertType]: {
    readonly type: Type;
    readonly severity: AlertSeverity;
    readonly objectType: AlertObject;
    /** The UUID; null for what has no row, such as a model that nobody has entered. */
    readonly objectId: string | null;
    /**
     * Says which event it is: of all alerts with the same key, raised by whichever replica, only the first is one. It holds
     * what makes the event a new one, such as the start of a limit's period.
     */
    readonly dedupeKey: string;
    /** The key of an alert that this one ends; without such an alert this is none either. Its key is free again afterwards. */
    readonly resolves?: string;
    /** A sentence for people. */
    readonly message: string;
    readonly data: AlertData[Type];
  };
}[AlertType];

/** The key of an alert about a limit: one for each limit and period. @param periodStartMs the same on every replica */
export function limitAlertKey(type: AlertType, objectId: string, limitName: string, periodStartMs: number): string {
  return `${type}:${objectId}:${limitName}:${periodStartMs}`;
}
