import { Injectable } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import type { Holding, RequestRecord } from '@app/journal';
import type { Caller } from '@app/keys';
import {
  type Admittance,
  type Demand,
  Limiter,
  type LimitRefusal,
  NOTHING_USED,
  type Reservation,
  type Subject,
} from '@app/limits';
import { type CallPricing, ModelCatalog } from '@app/models';
import { errors, type GatewayError, type ResponseCall, type TokenUsage } from '@app/protocol';
import { beforeAnswer } from '../compaction/before-answer.js';
import type { GatewayRequest } from '../http/gateway-request.js';
import { AnswerKeeper } from '../responses/answer-keeper.js';
import { LimitAlerts } from './limit-alerts.js';
import { limitHeaders } from './limit-headers.js';

/** Before anything is known of a model's answers. */
const OUTPUT_TOKENS_DEFAULT = 1_000;
/** Calls end within seconds. */
const HELD_WAIT_MS = 2_000;
/** An answer may well be larger than the mean. */
const OUTPUT_MARGIN = 2;
const LEARNING_RATE = 0.1;
/** How much of the largest answer is remembered from one to the next. */
const LARGEST_KEPT = 0.98;
const MODELS_MAX = 1_000;

/** What a call holds of its limits; given back when its record closes, however that comes about. */
class HeldLimits implements Holding {
  constructor(
    private readonly all: CallLimits,
    private readonly reservation: Reservation,
    private readonly admitted: Admitted,
    private readonly caller: Caller,
  ) {}

  settle(record: RequestRecord): void {
    this.reservation.settle(this.all.usedBy(record, this.admitted.demand));
    this.all.observe(this.admitted.subjects, this.caller);
  }
}

/** Holds calls to what their key and their group may use. */
@Injectable()
export class CallLimits {
  /** Output tokens of answers, by model. */
  private readonly usualOutput = new Map<string, { mean: number; largest: number }>();

  constructor(
    private readonly limiter: Limiter,
    private readonly catalog: ModelCatalog,
    private readonly keeper: AnswerKeeper,
    private readonly alerts: LimitAlerts,
  ) {}

  /**
   * Lets a call begin, and holds what it is expected to use until its record closes. A promise only when it has to wait for
   * its turn; when the client has left meanwhile, `reply.raw.destroyed` tells.
   *
   * @throws GatewayError 429
   */
  admit(request: GatewayRequest, reply: FastifyReply, call: ResponseCall): Promise<void> | null {
    const { caller, record } = request;
    const subjects = this.subjectsOf(caller, call.model);
    if (subjects.length === 0) return null;
    const pricing = this.catalog.pricingOf(call.model, record.startedAtMs, caller.group, call.serviceTier);
    const demand = this.demandOf(call, subjects, pricing);
    if (subjects.some(({ isBusy }) => isBusy)) return this.admitInTurn(request, reply, subjects, demand);
    if (this.limiter.isShared) return this.admitShared(request, reply, subjects, demand);
    const admitted = this.limiter.admit(subjects, demand);
    if (areTakenElsewhere(admitted)) return this.admitInTurn(request, reply, subjects, demand);
    this.take(caller, record, { subjects, demand, admitted });
    return null;
  }

  /** Counts what nested work has used, whose request holds nothing for it. */
  charge(caller: Caller, record: RequestRecord): void {
    const subjects = this.subjectsOf(caller, record.model ?? '');
    if (subjects.length > 0) this.limiter.charge(subjects, this.usedBy(record, NOTHING_USED));
  }

  private subjectsOf({ keyId, group }: Caller, model: string): readonly Subject[] {
    return this.limiter.subjectsOf(keyId, group.id, this.catalog.find(model)?.name ?? model);
  }

  /** @param expected what counts when nobody knows what was used */
  usedBy(record: RequestRecord, expected: Demand): Demand {
    const { usage, costNanoUsd: cost, attempts, responseStatus } = record;
    // A failed response is not billed (protocol.md §2.5); of one that broke off nobody knows.
    const hasAnswered = attempts.some(({ status }) => status !== null);
    if (!usage) return hasAnswered && responseStatus !== 'failed' ? expected : NOTHING_USED;
    if (usage.outputTokens > 0) this.learn(record.model ?? '', usage);
    const { inputTokens, outputTokens } = usage;
    return { inputTokens, tokens: inputTokens + outputTokens, nanoUsd: Number(cost ?? 0n) };
  }

  /** The body is here: nobody reads from the client while Redis answers, which takes 20 ms at most. */
  private async admitShared(
    request: GatewayRequest,
    reply: FastifyReply,
    subjects: readonly Subject[],
    demand: Demand,
  ): Promise<void> {
    const admitted = await this.limiter.admitShared(subjects, demand);
    if (areTakenElsewhere(admitted)) return this.admitInTurn(request, reply, subjects, demand);
    if (reply.raw.destroyed) giveBack(admitted);
    else this.take(request.caller, request.record, { subjects, demand, admitted });
  }

  private async admitInTurn(
    request: GatewayRequest,
    reply: FastifyReply,
    subjects: readonly Subject[],
    demand: Demand,
  ): Promise<void> {
    const { caller, record } = request;
    let admitted: Admittance | null = null;
    record.isWaitingForTurn = true;
    try {
      await beforeAnswer(request, reply, this.keeper, { isStream: false }, async (signal) => {
        admitted = await this.limiter.admitInTurn(subjects, demand, caller.group.queueWaitMs, signal);
      });
    } catch (error) {
      giveBack(admitted);
      throw error;
    } finally {
      record.isWaitingForTurn = false;
    }
    if (!admitted) return;
    if (reply.raw.destroyed) giveBack(admitted);
    else this.take(caller, record, { subjects, demand, admitted });
  }

  /** Looks whether operators are to be told of what was used. */
  observe(subjects: readonly Subject[], caller: Caller): void {
    const told = this.limiter.toBeTold(subjects);
    if (told.length > 0) this.alerts.observe(this.limiter.states(told), caller, this.limiter.now().wallMs);
  }

  private take(caller: Caller, record: RequestRecord, all: Admitted): void {
    const { subjects, admitted, demand } = all;
    record.expectedOutputTokens = demand.tokens - demand.inputTokens;
    const { wallMs } = this.limiter.now();
    const states = this.limiter.states(subjects);
    record.answerHeaders = limitHeaders(states, wallMs);
    this.alerts.observe(states, caller, wallMs);
    if ('refusal' in admitted) throw refusalOf(admitted.refusal, caller, wallMs);
    record.hold(new HeldLimits(this, admitted.reservation, all, caller));
  }

  /** Only what some rule counts has to be known. */
  private demandOf(call: ResponseCall, subjects: readonly Subject[], pricing: CallPricing): Demand {
    if (!subjects.some(({ countsUse }) => countsUse)) return NOTHING_USED;
    const { inputTokens } = this.keeper.estimate(call.model, call.raw.length, 0);
    const outputTokens = this.outputTokensOf(call);
    return { inputTokens, tokens: inputTokens + outputTokens, nanoUsd: costOf(inputTokens, outputTokens, pricing) };
  }

  /** As much as the call allows itself; else what answers of the model may well have. */
  private outputTokensOf({ model, maxOutputTokens }: ResponseCall): number {
    if (maxOutputTokens !== null) return maxOutputTokens;
    const usual = this.usualOutput.get(model);
    return usual ? Math.ceil(Math.max(usual.mean * OUTPUT_MARGIN, usual.largest)) : OUTPUT_TOKENS_DEFAULT;
  }

  private learn(model: string, { outputTokens }: TokenUsage): void {
    const usual = this.usualOutput.get(model);
    if (usual) {
      usual.mean += LEARNING_RATE * (outputTokens - usual.mean);
      usual.largest = Math.max(outputTokens, usual.largest * LARGEST_KEPT);
    } else if (this.usualOutput.size < MODELS_MAX) {
      this.usualOutput.set(model, { mean: outputTokens, largest: outputTokens });
    }
  }
}

interface Admitted {
  readonly subjects: readonly Subject[];
  readonly demand: Demand;
  readonly admitted: Admittance;
}

/** The places are taken by calls of other replicas. */
function areTakenElsewhere(admitted: Admittance): boolean {
  return 'refusal' in admitted && admitted.refusal.kind === 'concurrency';
}

function giveBack(admitted: Admittance | null): void {
  if (admitted && 'reservation' in admitted) admitted.reservation.settle();
}

function costOf(inputTokens: number, outputTokens: number, pricing: CallPricing): number {
  const usage = { inputTokens, cachedTokens: 0, cacheWriteTokens: 0, outputTokens, reasoningTokens: 0 };
  return Number(pricing.chargeOf(usage, pricing.askedTier)?.nanoUsd ?? 0n);
}

function refusalOf(refusal: LimitRefusal, { group }: Caller, wallMs: number): GatewayError {
  if (refusal.kind === 'concurrency') return errors.tooManyAtOnce(refusal.scope, refusal.concurrencyMax);
  const { state: stands, isOnlyHeld } = refusal;
  const { id, rule, used, reserved, resetsAtMs } = stands;
  const [scope = ''] = id.split('.', 1);
  const state = { rule: id, scope, name: rule.name, unit: rule.unit, limit: rule.limit, used, resetsAtMs };
  // What calls that are running hold is not used up: most of it comes back when they end.
  if (isOnlyHeld) return errors.rateLimited({ ...state, used: used + reserved }, HELD_WAIT_MS);
  return rule.kind === 'rate'
    ? errors.rateLimited(state, Math.max(1, (resetsAtMs ?? wallMs) - wallMs))
    : errors.usageLimitReached(state, group.limitMessage);
}
