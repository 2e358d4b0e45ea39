import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import { type ConfigModel, type ConfigUpstream, KEEP, type PricesInput } from '@app/contract';
import type { Transaction } from '@app/database';
import {
  type ModelInput,
  type ModelRefusal,
  type ModelRow,
  ModelsService,
  type PriceInput,
  PriceVersions,
} from '@app/models';
import { UpstreamsService, type UpstreamInput } from '@app/upstreams';
import { shownPrices, toPriceInput } from '../admin/price-fields.js';
import { toUpstreamChange } from '../admin/upstream-fields.js';
import { AdminProblem } from '../http/admin-problem.js';
import { undated, wantedPrices } from './canonical.js';
import { changedNames, type PlannedStep, presentVersions } from './config-plan.js';
import { MANAGED, type WriteContext } from './write-context.js';

type Version = NonNullable<ConfigModel['price_versions']>[number];

/** Takes the steps that are about upstreams and models. */
@Injectable()
export class RouteWrites {
  constructor(
    private readonly upstreams: UpstreamsService,
    private readonly models: ModelsService,
    private readonly versions: PriceVersions,
  ) {}

  async writeUpstream(step: PlannedStep, wanted: ConfigUpstream, { actor, tx }: WriteContext): Promise<void> {
    const input = { ...toUpstreamChange(withoutKept(wanted)), ...MANAGED };
    if (!step.present) {
      await this.upstreams.create(actor, input as UpstreamInput, tx);
      return;
    }
    const changed = new Set(changedNames(step));
    // A proxy that stays must not look like another one, nor may a move clear secrets that the file gives.
    if (!changed.has('http_proxy')) delete input.httpProxy;
    await this.upstreams.update(actor, step.present.id, input, null, tx);
  }

  async removeUpstream({ name, present }: PlannedStep, { actor, tx }: WriteContext): Promise<void> {
    const result = await this.upstreams.remove(actor, present?.id ?? '', null, tx);
    if (result === 'in_use') {
      throw AdminProblem.conflict(`Models name the upstream ${name}. Take it out of them first.`, 'upstreams');
    }
  }

  async writeModel(step: PlannedStep, wanted: ConfigModel, { actor, tx, nowMs }: WriteContext): Promise<void> {
    const prices = wantedPrices(wanted, nowMs);
    const input: Partial<ModelInput> = {
      aliases: wanted.aliases,
      upstreams: await routesOf(tx, wanted),
      contextWindowTokens: wanted.context_window_tokens,
      ...MANAGED,
    };
    if (!step.present) {
      const made = await this.models.create(
        actor,
        { ...input, name: wanted.name, prices: prices ? priceInput(prices) : null } as ModelInput,
        tx,
      );
      const id = accepted(step, made);
      const others = (wanted.price_versions ?? []).filter((version) => version !== prices);
      for (const version of others) await this.versions.add(actor, id, priceInput(version), tx);
      return;
    }
    const { id } = step.present;
    if (wanted.price_versions) await this.putVersions(step, wanted.price_versions, { actor, tx, nowMs });
    const isOther = prices !== undefined && !(await isInEffect(tx, id, prices, nowMs));
    const change = isOther ? { prices: prices && priceInput(undated(prices)) } : {};
    accepted(step, await this.models.update(actor, id, { ...input, ...change }, null, tx));
  }

  async removeModel({ present }: PlannedStep, { actor, tx }: WriteContext): Promise<void> {
    await this.models.remove(actor, present?.id ?? '', null, tx);
  }

  /** Adds what is missing, and takes back what was to come and is not wanted any more. */
  private async putVersions(
    { present, changes }: PlannedStep,
    wanted: readonly Version[],
    { actor, tx, nowMs }: WriteContext,
  ): Promise<void> {
    if (!present || !changes.some(({ path }) => path.startsWith('price_versions'))) return;
    const there = new Map(presentVersions(present).map((version) => [version.effective_from, version]));
    for (const version of wanted) {
      const same = there.get(version.effective_from);
      if (isDeepStrictEqual(same, version)) continue;
      await this.versions.add(actor, present.id, priceInput(version), tx);
    }
    const times = new Set(wanted.map(({ effective_from: from }) => from));
    const coming = await tx.modelPrice.findMany({
      where: { modelId: present.id, effectiveFrom: { gt: new Date(nowMs) } },
    });
    for (const { id, effectiveFrom } of coming) {
      if (!times.has(effectiveFrom.toISOString())) await this.versions.remove(actor, present.id, id, tx);
    }
  }
}

/** A canonical document says nothing of tiers that there are not. */
function priceInput(prices: object): PriceInput {
  return toPriceInput({ service_tiers: {}, ...prices } as PricesInput);
}

/** Whether the prices that a model is to have are those that it has. */
async function isInEffect(
  tx: Transaction,
  modelId: string,
  prices: NonNullable<ReturnType<typeof wantedPrices>> | null,
  nowMs: number,
): Promise<boolean> {
  const row = await tx.modelPrice.findFirst({
    where: { modelId, effectiveFrom: { lte: new Date(nowMs) } },
    orderBy: [{ effectiveFrom: 'desc' }, { id: 'desc' }],
  });
  return isDeepStrictEqual(shownPrices(row ?? undefined), prices && undated(prices));
}

/** Only what the file gives: what is kept is not touched. */
function withoutKept({ credential, extra_headers, http_proxy, ...rest }: ConfigUpstream) {
  return {
    ...rest,
    ...(credential === KEEP ? {} : { credential }),
    ...(extra_headers === KEEP ? {} : { extra_headers }),
    ...(http_proxy === KEEP ? {} : { http_proxy }),
  };
}

async function routesOf(tx: Transaction, { upstreams }: ConfigModel): Promise<ModelInput['upstreams']> {
  const rows = await tx.upstream.findMany({ where: { name: { in: upstreams.map(({ upstream }) => upstream) } } });
  const ids = new Map(rows.map(({ id, name }) => [name, id]));
  return upstreams.map(({ upstream, upstream_model: upstreamModel }) => ({
    upstreamId: ids.get(upstream) ?? '',
    upstreamModel,
  }));
}

/** @throws AdminProblem for a name that leads to a model that the file says nothing of */
function accepted({ at, name }: PlannedStep, result: ModelRow | ModelRefusal | null): string {
  if (!result) throw AdminProblem.notFound(`model: ${name} was deleted meanwhile`);
  if (!('refused' in result)) return result.id;
  const taken = result.refused === 'name_taken' ? result.name : name;
  throw AdminProblem.conflict(`The name ${taken} already leads to another model.`, at);
}
