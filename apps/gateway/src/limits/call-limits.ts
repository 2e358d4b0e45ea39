import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Holding, RequestRecord } from '@app/journal';
import type { Caller } from '@app/keys';
import {
  type Admittance,
  type Demand,
  type LimitedSubject,
  Limiter,
  type LimitRefusal,
  NOTHING_USED,
  type Reservation,
  type RuleState,
} from '@app/limits';
import { costNanoUsd, ModelCatalog, type ModelPrice } from '@app/models';
import { errors, type GatewayError, type ResponseCall, type TokenUsage } from '@app/protocol';
import { beforeAnswer } from '../compaction/before-answer.js';
import type { GatewayRequest } from '../http/gateway-request.js';
import { AnswerKeeper } from '../responses/answer-keeper.js';
import { type LimitedCaller, limitedSubjects } from './limited-subjects.js';
import { limitHeaders } from './limit-headers.js';

/** Before anything is known of a model's answers. */
const OUTPUT_TOKENS_DEFAULT = 1_000;
/** An answer may well be larger than the mean. */
const OUTPUT_MARGIN = 2;
const LEARNING_RATE = 0.1;
const MODELS_MAX = 1_000;

/** What a call holds of its limits; given back when its record closes, however that comes about. */
class HeldLimits implements Holding {
  constructor(
    private readonly all: CallLimits,
    private readonly reservation: Reservation,
    private readonly demand: Demand,
  ) {}

  settle(record: RequestRecord): void {
    this.reservation.settle(this.all.usedBy(record, this.demand));
  }
}

/** Holds calls to what their key and their group may use. */
@Injectable()
export class CallLimits {
  private readonly meanOutput = new Map<string, number>();

  constructor(
    private readonly limiter: Limiter,
    private readonly catalog: ModelCatalog,
    private readonly keeper: AnswerKeeper,
  ) {}

  /**
   * Lets a call begin, and holds what it is expected to use until its record closes. A promise only when it has to wait for
   * its turn; when the client has left meanwhile, `reply.raw.destroyed` tells.
   *
   * @throws GatewayError 429
   */
  admit(request: GatewayRequest, reply: FastifyReply, call: ResponseCall): Promise<void> | null {
    const { caller, record } = request;
    const subjects = limitedSubjects(caller);
    if (subjects.length === 0) return null;
    const demand = this.demandOf(call, subjects);
    const admitted = this.limiter.admit(subjects, demand, caller.group.queueWaitMs, null);
    if (admitted instanceof Promise) return this.waited(request, reply, { subjects, demand, admitted });
    this.take(caller, record, { subjects, demand, admitted });
    return null;
  }

  /** How the caller's limits stand. */
  states(caller: LimitedCaller): RuleState[] {
    return this.limiter.states(limitedSubjects(caller));
  }

  /** Counts what nested work has used, whose request holds nothing for it. */
  charge(caller: Caller, record: RequestRecord): void {
    const subjects = limitedSubjects(caller);
    if (subjects.length > 0) this.limiter.charge(subjects, this.usedBy(record, NOTHING_USED));
  }

  /** @param expected what counts when nobody knows what was used */
  usedBy(record: RequestRecord, expected: Demand): Demand {
    const { usage, costNanoUsd: cost, attempts, responseStatus } = record;
    // A failed response is not billed (protocol.md §2.5); of one that broke off nobody knows.
    if (!usage) return attempts.length > 0 && responseStatus !== 'failed' ? expected : NOTHING_USED;
    this.learn(record.model ?? '', usage);
    const { inputTokens, outputTokens } = usage;
    return { inputTokens, tokens: inputTokens + outputTokens, nanoUsd: Number(cost ?? 0n) };
  }

  private async waited(request: GatewayRequest, reply: FastifyReply, waiting: Waiting): Promise<void> {
    let admitted: Admittance | null = null;
    await beforeAnswer(request, reply, this.keeper, { isStream: false }, async () => {
      admitted = await waiting.admitted;
    });
    if (!admitted) return;
    if (reply.raw.destroyed) giveBack(admitted);
    else this.take(request.caller, request.record, { ...waiting, admitted });
  }

  private take(
    caller: Caller,
    record: RequestRecord,
    { subjects, demand, admitted }: Omit<Waiting, 'admitted'> & { admitted: Admittance },
  ): void {
    const { wallMs } = this.limiter.now();
    record.answerHeaders = limitHeaders(this.limiter.states(subjects), wallMs);
    if ('refusal' in admitted) throw refusalOf(admitted.refusal, caller, wallMs);
    record.holding = new HeldLimits(this, admitted.reservation, demand);
  }

  /** Only what some rule counts has to be known. */
  private demandOf(call: ResponseCall, subjects: readonly LimitedSubject[]): Demand {
    const isCounted = subjects.some(({ limits }) => limits.rules.some(({ unit }) => unit !== 'requests'));
    if (!isCounted) return NOTHING_USED;
    const { inputTokens } = this.keeper.estimate(call.model, call.raw.length, 0);
    const outputTokens = this.outputTokensOf(call);
    const price = this.catalog.find(call.model)?.price ?? null;
    return { inputTokens, tokens: inputTokens + outputTokens, nanoUsd: costOf(inputTokens, outputTokens, price) };
  }

  private outputTokensOf({ model, maxOutputTokens }: ResponseCall): number {
    const mean = this.meanOutput.get(model);
    const usual = mean === undefined ? OUTPUT_TOKENS_DEFAULT : Math.ceil(mean * OUTPUT_MARGIN);
    return Math.min(usual, maxOutputTokens ?? Infinity);
  }

  private learn(model: string, { outputTokens }: TokenUsage): void {
    const mean = this.meanOutput.get(model);
    if (mean === undefined && this.meanOutput.size >= MODELS_MAX) return;
    this.meanOutput.set(model, mean === undefined ? outputTokens : mean + LEARNING_RATE * (outputTokens - mean));
  }
}

interface Waiting {
  readonly subjects: readonly LimitedSubject[];
  readonly demand: Demand;
  readonly admitted: Promise<Admittance>;
}

function giveBack(admitted: Admittance): void {
  if ('reservation' in admitted) admitted.reservation.settle();
}

function costOf(inputTokens: number, outputTokens: number, price: ModelPrice | null): number {
  if (!price) return 0;
  const usage = { inputTokens, cachedTokens: 0, cacheWriteTokens: 0, outputTokens, reasoningTokens: 0 };
  return Number(costNanoUsd(usage, price));
}

function refusalOf(refusal: LimitRefusal, { group }: Caller, wallMs: number): GatewayError {
  if (refusal.kind === 'concurrency') return errors.tooManyAtOnce(refusal.scope, refusal.concurrencyMax);
  const { id, rule, used, resetsAtMs } = refusal.state;
  const [scope = ''] = id.split('.', 1);
  const state = { rule: id, scope, name: rule.name, unit: rule.unit, limit: rule.limit, used, resetsAtMs };
  return rule.kind === 'rate'
    ? errors.rateLimited(state, Math.max(1, (resetsAtMs ?? wallMs) - wallMs))
    : errors.usageLimitReached(state, group.limitMessage);
}
