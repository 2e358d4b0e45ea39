import { Body, Get, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import { BodyErasures } from '@app/bodies';
import { BeginErasure, Erasure, ErasureList, idOf, type Page, PageQuery, toPublicId } from '@app/contract';
import { type ErasureRow, Erasures, type ErasureSubject } from '@app/journal';
import { Permit } from '../identity/permissions.js';
import { Actor } from '../identity/principal.js';
import { AdminProblem } from '../http/admin-problem.js';
import { AdminController } from './admin.decorators.js';
import { page, pageRequest } from './page.js';

/** Takes personal data out of the request log, and bodies with it. */
@AdminController('erasures')
export class ErasuresController {
  constructor(
    private readonly erasures: Erasures,
    private readonly bodies: BodyErasures,
  ) {}

  @Post()
  @Permit('erasures:write')
  @ApiOperation({ summary: 'Erase personal data of a key, a group or a session from the request log; totals stay' })
  @ApiCreatedResponse({ standardSchema: Erasure })
  async begin(@Actor() actor: string, @Body({ schema: BeginErasure }) body: BeginErasure): Promise<Erasure> {
    const subject = subjectOf(body);
    // First: bodies of a session are found by its rows, which will not know its name any more.
    if (subject.kind === 'session') {
      await this.bodies.eraseSession(subject.id);
      return toErasure(await this.erasures.begin(actor, subject));
    }
    const { kind, id } = subject;
    let until = new Date(0);
    const begun = await this.erasures.begin(actor, subject, async (tx) => {
      until = await this.bodies.begin(tx, { kind, id });
    });
    await this.bodies.finish(kind, id, until);
    return toErasure(begun);
  }

  @Get()
  @Permit('erasures:read')
  @ApiOperation({ summary: 'List erasures, newest first' })
  @ApiOkResponse({ standardSchema: ErasureList })
  async list(@Query({ schema: PageQuery }) query: PageQuery): Promise<Page<Erasure>> {
    return page(await this.erasures.list(pageRequest(query, 'erasure')), query.limit, 'erasure', toErasure);
  }

  @Get(':id')
  @Permit('erasures:read')
  @ApiOperation({ summary: 'Read how far an erasure is' })
  @ApiOkResponse({ standardSchema: Erasure })
  async find(@Param('id', { schema: idOf('erasure') }) id: string): Promise<Erasure> {
    const row = await this.erasures.find(id);
    if (!row) throw AdminProblem.notFound('erasure');
    return toErasure(row);
  }
}

function subjectOf({ key_id: key, group_id: group, session_id: session }: BeginErasure): ErasureSubject {
  if (key !== undefined) return { kind: 'key', id: key };
  if (group !== undefined) return { kind: 'group', id: group };
  return { kind: 'session', id: session ?? '' };
}

function toErasure(row: ErasureRow): Erasure {
  const { subjectKind, subject } = row;
  return {
    id: toPublicId('erasure', row.id),
    key_id: subjectKind === 'key' && subject !== null ? toPublicId('key', subject) : null,
    group_id: subjectKind === 'group' && subject !== null ? toPublicId('group', subject) : null,
    session_id: subjectKind === 'session' ? subject : null,
    state: row.state as Erasure['state'],
    rows: Number(row.rows),
    erased_until: row.erasedUntil?.toISOString() ?? null,
    created_at: row.createdAt.toISOString(),
    first_finished_at: row.firstFinishedAt?.toISOString() ?? null,
  };
}
