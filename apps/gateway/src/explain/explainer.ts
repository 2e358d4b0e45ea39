import type { IncomingHttpHeaders } from 'node:http';
import { Injectable } from '@nestjs/common';
import { type ExplainCheck, type Explanation, toPublicId } from '@app/contract';
import type { GroupPolicy, ModelRule } from '@app/groups';
import { Limiter, type RuleState } from '@app/limits';
import { ModelCatalog } from '@app/models';
import { ERROR_CATALOGUE } from '@app/protocol';
import { Clock } from '@app/runtime';
import { type RankedCandidate, Routing } from '@app/upstreams';
import { shownLimit } from '../limits/shown-limit.js';
import { affinityOf } from '../responses/affinity.js';

/** Whose call is explained. */
export interface ExplainedCaller {
  /** null: a group, without a key */
  readonly keyId: string | null;
  readonly group: GroupPolicy;
  /** narrows the group's models; null: all of them */
  readonly models: ModelRule | null;
}

export interface ExplainedCall {
  readonly model: string;
  readonly headers: IncomingHttpHeaders;
  readonly promptCacheKey: string | null;
}

const UNPRICED_RULE = 'group.unpriced_models';
const WHEN_UNPRICED: Readonly<Record<GroupPolicy['unpricedModels'], string>> = {
  allow: 'and is used at no cost',
  refuse: 'and is refused',
  ceiling: 'and costs the ceiling_prices',
};
const NOT_USABLE = new Set(['tripped', 'at_capacity']);

/** Why a call is served, and by whom, or why it is not: the checks of the data plane, in their order, with what each saw. */
@Injectable()
export class Explainer {
  constructor(
    private readonly catalog: ModelCatalog,
    private readonly routing: Routing,
    private readonly limiter: Limiter,
    private readonly clock: Clock,
  ) {}

  /** Asks the other replicas how the limits stand, before an explanation. */
  async askReplicas({ keyId, group }: ExplainedCaller, model: string): Promise<void> {
    await this.limiter.currentStates(this.limiter.subjectsOf(keyId, group.id, this.catalog.find(model)?.name ?? model));
  }

  /** @param before checks that came earlier, such as that of the key; the first that did not pass decides */
  explain(caller: ExplainedCaller | null, call: ExplainedCall, before: readonly ExplainCheck[] = []): Explanation {
    const { model } = call;
    const canonical = this.catalog.find(model)?.name ?? model;
    const checks = [...before];
    let candidates: readonly RankedCandidate[] = [];
    let states: readonly RuleState[] = [];
    if (caller) {
      checks.push(this.modelCheck('group.models', `group ${caller.group.name}`, caller.group.models, model));
      if (caller.models) checks.push(this.modelCheck('key.models', 'the key', caller.models, model));
      if (canonical !== model) {
        checks.push({ rule: 'model.alias', passed: true, detail: `${model} is an alias of ${canonical}` });
      }
      if (!this.catalog.priceAt(model, this.clock.now())) checks.push(unpricedCheck(canonical, caller.group));
      states = this.limiter.states(this.limiter.subjectsOf(caller.keyId, caller.group.id, canonical));
      checks.push(...states.filter(isUsedUp).map(limitCheck));
      candidates = this.routing.rank({
        model,
        affinity: affinityOf(call, call.headers, caller),
        holderId: null,
        makerId: null,
      });
      checks.push(upstreamCheck(canonical, candidates));
    }
    const refusing = checks.find(({ passed }) => !passed);
    const code = refusing ? codeOf(refusing.rule, states) : null;
    return {
      decision: refusing ? 'refused' : 'served',
      rule: refusing?.rule ?? null,
      status: code ? ERROR_CATALOGUE[code].status : 200,
      code,
      model,
      canonical_model: canonical,
      checks,
      candidates: candidates.map(({ upstream, upstreamModel, standing }) => ({
        upstream_id: toPublicId('upstream', upstream.id),
        upstream_name: upstream.name,
        upstream_model: upstreamModel,
        priority: upstream.priority,
        weight: upstream.weight,
        standing,
      })),
      limits: states.map(shownLimit),
    };
  }

  private modelCheck(rule: string, who: string, models: ModelRule, model: string): ExplainCheck {
    const canonical = this.catalog.find(model)?.name ?? model;
    const pattern = models.matching(model) ?? models.matching(canonical);
    return {
      rule,
      passed: pattern !== undefined,
      detail:
        pattern === undefined
          ? `none of the model patterns of ${who} matches ${model} (${models.patterns.join(', ') || 'there are none'})`
          : `the pattern ${pattern} of ${who} matches ${model}`,
    };
  }
}

function upstreamCheck(model: string, candidates: readonly RankedCandidate[]): ExplainCheck {
  const first = candidates.find(({ standing }) => !NOT_USABLE.has(standing));
  const told = candidates.map(({ upstream, standing }) => `${upstream.name} (${standing})`).join(', ');
  return {
    rule: 'upstreams',
    passed: first !== undefined,
    detail: first
      ? `${first.upstream.name} is tried first, of ${told}`
      : `no upstream takes calls for ${model}${told ? `: ${told}` : ''}`,
  };
}

/** Shown only when there is something to see to: the model has no price. */
function unpricedCheck(model: string, { name, unpricedModels }: GroupPolicy): ExplainCheck {
  return {
    rule: UNPRICED_RULE,
    passed: unpricedModels !== 'refuse',
    detail: `the model ${model} has no price, ${WHEN_UNPRICED[unpricedModels]} (unpriced_models of group ${name} is ${unpricedModels})`,
  };
}

function isUsedUp({ rule, used, reserved }: RuleState): boolean {
  return used + reserved >= rule.limit;
}

function limitCheck({ id, rule, used, reserved }: RuleState): ExplainCheck {
  const detail = `${Math.round(used + reserved)} of ${rule.limit} ${rule.unit} are used`;
  return { rule: id, passed: false, detail };
}

function codeOf(rule: string, states: readonly RuleState[]): keyof typeof ERROR_CATALOGUE {
  const limit = states.find(({ id }) => id === rule)?.rule;
  if (limit) return limit.kind === 'rate' ? 'rate_limit_exceeded' : 'insufficient_quota';
  if (rule === UNPRICED_RULE) return 'model_not_priced';
  if (rule === 'key') return 'invalid_api_key';
  if (rule === 'encrypted_content_on_move') return 'invalid_encrypted_content';
  return rule === 'upstreams' ? 'server_is_overloaded' : 'model_not_found';
}
