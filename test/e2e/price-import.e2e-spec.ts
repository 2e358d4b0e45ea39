import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ImportedPrices, Model, Page, Price, Problem } from '../../libs/contract/src/index.js';
import { TestGateway } from '../support/gateway.js';

const LIST = JSON.parse(
  readFileSync(join(__dirname, '../fixtures/model_prices_and_context_window.json'), 'utf8'),
) as Record<string, object>;

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await TestGateway.start();
});
afterAll(() => gateway.stop());

async function importList(query = '', list: object = LIST): Promise<ImportedPrices> {
  const answer = await gateway.admin.post(`/prices/import${query}`, list);
  expect(answer.status).toBe(200);
  return answer.body as ImportedPrices;
}

async function modelsByName(): Promise<Map<string, Model>> {
  const { data } = (await gateway.admin.get('/models?limit=100')).body as Page<Model>;
  return new Map(data.map((model) => [model.name, model]));
}

describe('the import of the public price list', () => {
  it('prices registered models by name, alias or provider, says what changed and what was left out, and repeats nothing', async () => {
    const { admin } = gateway;
    await admin.create('/models', {
      name: 'gpt-5',
      prices: { input_per_million_usd: '1.25', output_per_million_usd: '9' },
      context_window_tokens: 100_000,
    });
    await admin.create('/models', { name: 'team-model', aliases: ['gpt-5.5'] });
    await admin.create('/models', { name: 'openai/gpt-5.1' });
    await admin.create('/models', { name: 'github_copilot/gpt-5' });
    await admin.create('/models', { name: 'our-own' });

    const dry = await importList('?dry_run=true');
    expect(dry).toMatchObject({ dry_run: true, created: [], unchanged: [], not_listed: ['our-own'] });
    expect((await modelsByName()).get('team-model')?.prices).toBeNull();

    const told = await importList();
    expect(told).toEqual({ ...dry, dry_run: false });
    expect(told.updated.map(({ name, list_name: listName }) => [name, listName])).toEqual([
      ['gpt-5', 'gpt-5'],
      ['openai/gpt-5.1', 'gpt-5.1'],
      ['team-model', 'gpt-5.5'],
    ]);
    const [gpt5] = told.updated;
    expect(gpt5?.context_window_tokens).toBeNull();
    expect(gpt5?.changes).toEqual(
      expect.arrayContaining([
        { field: 'cached_input_per_million_usd', before: '1.25', after: '0.125' },
        { field: 'output_per_million_usd', before: '9', after: '10' },
        { field: 'service_tiers.flex.output_per_million_usd', before: null, after: '5' },
      ]),
    );
    expect(told.left_out).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ list_name: 'gpt-5.5', field: 'output_cost_per_token_above_272k_tokens' }),
        expect.objectContaining({ list_name: 'github_copilot/gpt-5', field: 'input_cost_per_token' }),
      ]),
    );

    const models = await modelsByName();
    expect(models.get('team-model')).toMatchObject({
      context_window_tokens: 1_050_000,
      warnings: [],
      prices: {
        input_per_million_usd: '5',
        cached_input_per_million_usd: '0.5',
        output_per_million_usd: '30',
        service_tiers: { priority: { input_per_million_usd: '10', output_per_million_usd: '60' } },
      },
    });
    expect(models.get('gpt-5')?.context_window_tokens).toBe(100_000);
    const versions = (await admin.get(`/models/${models.get('gpt-5')?.id}/prices`)).body as Page<Price>;
    expect(versions.data.map(({ state }) => state)).toEqual(['in_effect', 'superseded']);

    const again = await importList();
    expect(again).toMatchObject({ updated: [], unchanged: ['gpt-5', 'openai/gpt-5.1', 'team-model'] });
    const audited = await gateway.database.query(`SELECT 1 FROM audit_entries WHERE action = 'price.import'`);
    expect(audited).toHaveLength(1);
  });

  it('registers models of the list only when it is told to, and only those that match', async () => {
    const told = await importList('?create_models=true&match=gpt-5.6*,low/*');
    expect(told.created.map(({ name }) => name)).toEqual(['gpt-5.6', 'gpt-5.6-terra']);
    expect(told.updated).toEqual([]);
    expect(told.left_out).toContainEqual(
      expect.objectContaining({ list_name: 'low/1024-x-1536/gpt-image-1.5-2025-12-16', field: 'mode' }),
    );
    const created = (await modelsByName()).get('gpt-5.6');
    expect(created).toMatchObject({
      id: told.created[0]?.model_id,
      context_window_tokens: 1_050_000,
      prices: {
        cache_write_per_million_usd: '6.25',
        service_tiers: { batch: { output_per_million_usd: '15', cached_input_per_million_usd: '0.5' } },
      },
    });
  });

  it('takes a list of several megabytes, and nothing that is no list', async () => {
    const entry = { mode: 'chat', note: 'x'.repeat(1_000) };
    const large = Object.fromEntries(Array.from({ length: 4_000 }, (_, i) => [`model-${i}`, entry]));
    expect(await importList('?match=gpt-5', { ...large, ...LIST })).toMatchObject({ unchanged: ['gpt-5'] });
    expect((await gateway.admin.post('/groups', { name: 'x'.repeat(2_000_000) })).status).toBe(413);
    const refused = await gateway.admin.post('/prices/import?dry=true', {});
    expect(refused.status).toBe(422);
    expect((refused.body as Problem).errors?.[0]?.path).toBe('dry');
    expect((await gateway.admin.post('/prices/import', [LIST])).status).toBe(422);
  });
});
