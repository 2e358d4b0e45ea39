import { Body, HttpCode, Post, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { ImportedPrices, ImportPricesQuery, PriceListFile, toPublicId } from '@app/contract';
import { modelRule } from '@app/groups';
import { formatUsd, type ImportedModel, PriceImport } from '@app/models';
import { Permit } from '../identity/permissions.js';
import { Actor } from '../identity/principal.js';
import { AdminController } from './admin.decorators.js';

const FIELD_NAMES = {
  inputPerMillion: 'input_per_million_usd',
  cachedInputPerMillion: 'cached_input_per_million_usd',
  cacheWritePerMillion: 'cache_write_per_million_usd',
  outputPerMillion: 'output_per_million_usd',
  reasoningPerMillion: 'reasoning_per_million_usd',
  perRequest: 'per_request_usd',
} as const;

/** Takes prices over from the public list. */
@AdminController('prices')
export class PriceImportController {
  constructor(private readonly prices: PriceImport) {}

  @Post('import')
  @Permit('models:write')
  @HttpCode(200)
  @ApiOperation({ summary: "Take prices over from LiteLLM's model_prices_and_context_window.json: all, or none" })
  @ApiOkResponse({ standardSchema: ImportedPrices })
  async import(
    @Actor() actor: string,
    @Query({ schema: ImportPricesQuery }) { dry_run: isDryRun, create_models: createsModels, match }: ImportPricesQuery,
    @Body({ schema: PriceListFile }) list: PriceListFile,
  ): Promise<ImportedPrices> {
    const rule = modelRule(match ?? ['*']);
    const report = await this.prices.run(actor, list, {
      isDryRun,
      createsModels,
      matches: (name) => rule.allows(name),
    });
    return {
      dry_run: isDryRun,
      created: report.created.map((model) => ({ ...shown(model), ...(isDryRun ? { model_id: null } : {}) })),
      updated: report.updated.map(shown),
      unchanged: [...report.unchanged],
      not_listed: [...report.notListed],
      left_out: report.leftOut.map(({ listName, field, reason }) => ({ list_name: listName, field, reason })),
    };
  }
}

function shown({ modelId, name, listName, changes, contextWindowTokens }: ImportedModel) {
  const usd = (nano: bigint | null) => (nano === null ? null : formatUsd(nano));
  return {
    model_id: toPublicId('model', modelId),
    name,
    list_name: listName,
    changes: changes.map(({ field, tier, before, after }) => ({
      field: tier === null ? FIELD_NAMES[field] : `service_tiers.${tier}.${FIELD_NAMES[field]}`,
      before: usd(before),
      after: usd(after),
    })),
    context_window_tokens: contextWindowTokens,
  };
}
