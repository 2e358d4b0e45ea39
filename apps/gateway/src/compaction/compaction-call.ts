import type { IncomingHttpHeaders } from 'node:http';
import type { CompactionSeal, CompactionSettings } from '@app/compaction';
import type { CompactionNote } from '@app/journal';
import type { ModelCatalog } from '@app/models';
import { errors, memberTexts, type ResponseCall } from '@app/protocol';
import type { Candidate, Routing } from '@app/upstreams';
import type { GatewayRequest } from '../http/gateway-request.js';
import type { LostCompactions } from './lost-compactions.js';
import type { AnswerKeeper } from '../responses/answer-keeper.js';
import type { CreatedResponses } from '../responses/created-response.js';
import type { UpstreamKnowledge } from '../responses/upstream-knowledge.js';
import { NOTHING_KNOWN } from './call-books.js';

/** What all compactions work with. */
export interface CompactionTools {
  readonly catalog: ModelCatalog;
  readonly routing: Routing;
  readonly knowledge: UpstreamKnowledge;
  readonly created: CreatedResponses;
  readonly keeper: AnswerKeeper;
  readonly seal: CompactionSeal;
  readonly settings: CompactionSettings;
  readonly lost: LostCompactions;
}

/** A call that asks for a compaction, and who may answer it. */
export interface CompactionCall {
  readonly request: GatewayRequest;
  /** Sealed compactions are opened in it. */
  readonly call: ResponseCall;
  /** The body as the client sent it. */
  readonly sentBody: Buffer;
  readonly form: 'endpoint' | 'trigger';
  /** In the order in which they are to be tried; not empty. */
  readonly candidates: readonly Candidate[];
}

/** An ordinary call whose input is larger than its `context_management` wants it to be. */
export interface ThresholdCall {
  readonly request: GatewayRequest;
  readonly call: ResponseCall;
  /** The same without `context_management`. */
  readonly plainCall: ResponseCall;
  readonly candidates: readonly Candidate[];
  readonly tokensMax: number;
}

/** The note on a call by which a client writes a summary of its own. */
export const CLIENTS_OWN: CompactionNote = { ...NOTHING_KNOWN, form: 'client', by: 'client', requestId: null };

/** Codex says by this that an ordinary call is for its own, local compaction (codex-cli.md §4). */
const LOCAL_COMPACTION = /"request_kind":\s*"compaction"/;

/** Whether an ordinary call is one by which a client writes a summary of its own. */
export function isClientsOwnCompaction(headers: IncomingHttpHeaders): boolean {
  const metadata = headers['x-codex-turn-metadata'];
  return typeof metadata === 'string' && LOCAL_COMPACTION.test(metadata);
}

/**
 * A call of `POST /responses/compact` has a conversation, here or stored.
 *
 * @throws GatewayError 400
 */
export function requireConversation({ raw, previousResponseId }: ResponseCall): void {
  const { input = 'null' } = memberTexts(raw, ['input']);
  if (input === 'null' && previousResponseId === null) throw errors.missingParameter('input');
}
