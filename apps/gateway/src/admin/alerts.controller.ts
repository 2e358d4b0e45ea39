import { Get, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { AlertHistory, type AlertRow } from '@app/alerts';
import { Alert, AlertList, type IdKind, ListAlertsQuery, type Page, toPublicId } from '@app/contract';
import { Permit } from '../identity/permissions.js';
import { AdminController } from './admin.decorators.js';
import { page, pageRequest } from './page.js';

@AdminController('alerts')
export class AlertsController {
  constructor(private readonly history: AlertHistory) {}

  @Get()
  @Permit('alerts:read')
  @ApiOperation({ summary: 'List alerts, newest first' })
  @ApiOkResponse({ standardSchema: AlertList })
  async list(@Query({ schema: ListAlertsQuery }) query: ListAlertsQuery): Promise<Page<Alert>> {
    const rows = await this.history.list({ ...pageRequest(query, 'alert'), type: query.type ?? null });
    return page(rows, query.limit, 'alert', toAlert);
  }
}

function toAlert(row: AlertRow): Alert {
  const { objectType, objectId } = row;
  return {
    id: toPublicId('alert', row.id),
    type: row.type,
    severity: row.severity as Alert['severity'],
    object_type: objectType,
    object_id: objectType && objectId && toPublicId(objectType as IdKind, objectId),
    message: row.message,
    data: row.data as Alert['data'],
    created_at: row.createdAt.toISOString(),
    resolved_at: row.resolvedAt?.toISOString() ?? null,
  };
}
