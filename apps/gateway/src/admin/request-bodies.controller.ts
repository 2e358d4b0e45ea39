import { Get, Param } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { BodySearch, type ReadBodies, type ReadBody } from '@app/bodies';
import { idOf, RequestBody, toPublicId } from '@app/contract';
import { AuditLog } from '@app/database';
import { RequestSearch } from '@app/journal';
import { Permit } from '../identity/permissions.js';
import { Actor, OwnKeys } from '../identity/principal.js';
import { AdminController } from './admin.decorators.js';
import { BodyAbsences } from './body-absences.js';
import { isOwn, noSuchRequest } from './requests.controller.js';

/** What requests and answers say, where it is stored. */
@AdminController('requests')
export class RequestBodiesController {
  constructor(
    private readonly requests: RequestSearch,
    private readonly bodies: BodySearch,
    private readonly absences: BodyAbsences,
    private readonly audit: AuditLog,
  ) {}

  @Get(':id/body')
  @Permit('bodies:read', 'own')
  @ApiOperation({
    summary: 'Read what a request and its answer said',
    description: 'Stored only where the body_policy of the key or its group says so; 404 tells why there is none.',
  })
  @ApiOkResponse({ standardSchema: RequestBody })
  async find(
    @Actor() actor: string,
    @OwnKeys() ownKeys: readonly string[] | null,
    @Param('id', { schema: idOf('request') }) id: string,
  ): Promise<RequestBody> {
    const row = await this.requests.find(id);
    if (!row || !isOwn(row, ownKeys)) throw noSuchRequest();
    const { started_at: startedAt, key_id: keyId, group_id: groupId } = row;
    const found = await this.bodies.find({ id, startedAt, keyId, groupId });
    if (typeof found === 'string') throw await this.absences.problem(found, row);
    await this.audit.note({ actor, action: 'body.read', objectType: 'request', objectId: id, after: null });
    return toRequestBody(id, startedAt, found);
  }
}

function toRequestBody(id: string, startedAt: Date, { expiresAt, request, response, events }: ReadBodies): RequestBody {
  return {
    request_id: toPublicId('request', id),
    started_at: startedAt.toISOString(),
    expires_at: expiresAt.toISOString(),
    request: request && {
      ...shown(request),
      headers: request.contents.headers.map(([name, value]) => ({ name, value })),
      text: request.contents.text,
    },
    response: response && { ...shown(response), text: response.contents.text },
    events: events && {
      ...shown(events),
      data: events.contents.map(({ atMs, event, data }) => ({ at_ms: atMs, event, data })),
    },
  };
}

function shown({ bytes, storedBytes, isTruncated, isRedacted }: ReadBody<unknown>) {
  return { bytes, stored_bytes: storedBytes, is_truncated: isTruncated, is_redacted: isRedacted };
}
