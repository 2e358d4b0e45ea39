import { type CreateModel, type Model, toPublicId, type UpdateModel } from '@app/contract';
import type { ModelInput, ModelRow } from '@app/models';
import { shownPrices, toPriceInput } from './price-fields.js';

const NOT_PRICED =
  'The model has no price now: what it is used for costs nothing, is refused or costs the ceiling, by unpriced_models of each group.';

/** The service's names for a model that is to be made. */
export function toModelInput(body: CreateModel): ModelInput {
  return {
    name: body.name,
    aliases: body.aliases,
    upstreams: body.upstreams.map(toRoute),
    prices: body.prices && toPriceInput(body.prices),
    contextWindowTokens: body.context_window_tokens,
  };
}

/** The same for what a change gives. */
export function toModelChange(body: UpdateModel): Partial<ModelInput> {
  const { name, aliases, upstreams, prices, context_window_tokens: contextWindowTokens } = body;
  return {
    ...(name === undefined ? {} : { name }),
    ...(aliases === undefined ? {} : { aliases }),
    ...(upstreams === undefined ? {} : { upstreams: upstreams.map(toRoute) }),
    ...(prices === undefined ? {} : { prices: prices && toPriceInput(prices) }),
    ...(contextWindowTokens === undefined ? {} : { contextWindowTokens }),
  };
}

function toRoute(route: CreateModel['upstreams'][number]): ModelInput['upstreams'][number] {
  return { upstreamId: route.upstream_id, upstreamModel: route.upstream_model ?? null };
}

/** A model as the API shows it. */
export function toModel(row: ModelRow): Model {
  const prices = shownPrices(row.prices[0]);
  return {
    id: toPublicId('model', row.id),
    name: row.name,
    aliases: row.aliases,
    upstreams: row.upstreams.map(({ upstreamId, upstreamModel }) => ({
      upstream_id: toPublicId('upstream', upstreamId),
      upstream_model: upstreamModel,
    })),
    prices,
    warnings: prices ? [] : [{ code: 'model_not_priced', message: NOT_PRICED }],
    managed_by: row.managedBy as Model['managed_by'],
    context_window_tokens: row.contextWindowTokens,
    created_at: row.createdAt.toISOString(),
    updated_at: row.updatedAt.toISOString(),
  };
}
