import { Delete, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { BodyErasures, type BodyErasureSubject } from '@app/bodies';
import { EraseBodiesQuery, ErasedBodies } from '@app/contract';
import { Permit } from '../identity/permissions.js';
import { Actor } from '../identity/principal.js';
import { AdminController } from './admin.decorators.js';

/** Takes stored bodies away. */
@AdminController('bodies')
export class BodiesController {
  constructor(private readonly erasures: BodyErasures) {}

  @Delete()
  @Permit('bodies:write')
  @ApiOperation({
    summary: 'Erase the bodies of a key, of a group or of a day',
    description: 'At once and for good, those of requests included that are still running. Rows of the log stay.',
  })
  @ApiOkResponse({ standardSchema: ErasedBodies })
  async erase(
    @Actor() actor: string,
    @Query({ schema: EraseBodiesQuery }) query: EraseBodiesQuery,
  ): Promise<ErasedBodies> {
    const { bodies, erasedUntil } = await this.erasures.erase(actor, subjectOf(query));
    return { bodies, erased_until: erasedUntil.toISOString() };
  }
}

function subjectOf({ key, group, day }: EraseBodiesQuery): BodyErasureSubject {
  if (key !== undefined) return { kind: 'key', id: key };
  return group === undefined ? { kind: 'day', id: day ?? '' } : { kind: 'group', id: group };
}
