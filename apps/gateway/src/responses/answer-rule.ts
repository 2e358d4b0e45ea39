import type { UsageSource } from '@app/journal';
import type { GatewayError, ResponseSummary } from '@app/protocol';

/** What a route makes of an answer beyond passing it on. */
export interface AnswerRule {
  /** The answer repeats one that lives on at the upstream: when it breaks off, the response has not failed. */
  readonly isReplay: boolean;
  /** Our error in place of an upstream's refusal, or of no answer at all (null); null: as for any call. */
  refusal(status: number | null, cause: unknown): GatewayError | null;
  /** A stream has named its response; the bytes that name it have not gone out yet. */
  onResponseId(id: string): void;
  /** Takes an answer down in the record; its last bytes have not gone out yet. `body`: the response object. */
  settle(summary: ResponseSummary, source: UsageSource, body: Buffer | null): void;
  /** The upstream was let go before the end. True when the response lives on there, and is accounted when it ends. */
  onCut(): boolean;
}
