import { Body, Delete, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { AddPrice, idOf, type Page, Price, PriceList } from '@app/contract';
import { type PriceRow, PriceVersions } from '@app/models';
import { Clock } from '@app/runtime';
import { Permit } from '../identity/permissions.js';
import { Actor } from '../identity/principal.js';
import { AdminProblem } from '../http/admin-problem.js';
import { AdminController } from './admin.decorators.js';
import { shownPrice, toPriceInput } from './price-fields.js';

/** The versions of a model's prices. */
@AdminController('models/:id/prices')
export class PricesController {
  constructor(
    private readonly versions: PriceVersions,
    private readonly clock: Clock,
  ) {}

  @Get()
  @Permit('models:read')
  @ApiOperation({ summary: "List the versions of a model's prices, newest first" })
  @ApiOkResponse({ standardSchema: PriceList })
  async list(@Param('id', { schema: idOf('model') }) id: string): Promise<Page<Price>> {
    const rows = await this.existing(id);
    return { data: rows.map((row) => shownPrice(row, rows, this.clock.now())), next_cursor: null };
  }

  @Post()
  @Permit('models:write')
  @ApiOperation({ summary: 'Add a version of the prices, from now on or from effective_from on' })
  @ApiCreatedResponse({ standardSchema: Price })
  async add(
    @Actor() actor: string,
    @Param('id', { schema: idOf('model') }) id: string,
    @Body({ schema: AddPrice }) body: AddPrice,
  ): Promise<Price> {
    const added = await this.versions.add(actor, id, toPriceInput(body));
    if (!added) throw AdminProblem.notFound('model');
    return shownPrice(added, await this.existing(id), this.clock.now());
  }

  @Delete(':price_id')
  @Permit('models:write')
  @HttpCode(204)
  @ApiOperation({ summary: 'Take back a version that is not in effect yet' })
  @ApiNoContentResponse()
  async remove(
    @Actor() actor: string,
    @Param('id', { schema: idOf('model') }) id: string,
    @Param('price_id', { schema: idOf('price') }) priceId: string,
  ): Promise<void> {
    const result = await this.versions.remove(actor, id, priceId);
    if (result === 'not_found') throw AdminProblem.notFound('price');
    if (result === 'in_effect') {
      throw AdminProblem.conflict('The price is or was in effect: requests were priced by it. Add a version instead.');
    }
  }

  private async existing(id: string): Promise<readonly PriceRow[]> {
    const rows = await this.versions.list(id);
    if (!rows) throw AdminProblem.notFound('model');
    return rows;
  }
}
