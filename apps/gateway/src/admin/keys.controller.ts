import { Body, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import {
  CreateKey,
  idOf,
  IssuedKey,
  Key,
  KeyList,
  ListKeysQuery,
  type Page,
  RotateKey,
  UpdateKey,
} from '@app/contract';
import { type KeyRow, KeysService } from '@app/keys';
import { Clock } from '@app/runtime';
import { Permit } from '../identity/permissions.js';
import { Actor } from '../identity/principal.js';
import { AdminProblem } from '../http/admin-problem.js';
import { AdminController } from './admin.decorators.js';
import { toKey, toKeyChange, toKeyInput } from './key-fields.js';
import { page, pageRequest } from './page.js';

@AdminController('keys')
export class KeysController {
  constructor(
    private readonly keys: KeysService,
    private readonly clock: Clock,
  ) {}

  @Get()
  @Permit('keys:read')
  @ApiOperation({ summary: 'List keys, newest first' })
  @ApiOkResponse({ standardSchema: KeyList })
  async list(@Query({ schema: ListKeysQuery }) query: ListKeysQuery): Promise<Page<Key>> {
    const rows = await this.keys.list({ ...pageRequest(query, 'key'), groupId: query.group ?? null });
    return page(rows, query.limit, 'key', (row) => toKey(row, this.clock.now()));
  }

  @Post()
  @Permit('keys:write')
  @ApiOperation({ summary: 'Issue a key; its secret is told this once' })
  @ApiCreatedResponse({ standardSchema: IssuedKey })
  async create(@Actor() actor: string, @Body({ schema: CreateKey }) body: CreateKey): Promise<IssuedKey> {
    const issued = await this.keys.issue(actor, toKeyInput(body));
    if (!issued) throw unknownGroup();
    return { ...toKey(issued.key, this.clock.now()), secret: issued.secret };
  }

  @Get(':id')
  @Permit('keys:read')
  @ApiOperation({ summary: 'Read a key' })
  @ApiOkResponse({ standardSchema: Key })
  async find(@Param('id', { schema: idOf('key') }) id: string): Promise<Key> {
    return toKey(await this.existing(id), this.clock.now());
  }

  @Patch(':id')
  @Permit('keys:write')
  @ApiOperation({ summary: 'Change a key' })
  @ApiOkResponse({ standardSchema: Key })
  async update(
    @Actor() actor: string,
    @Param('id', { schema: idOf('key') }) id: string,
    @Body({ schema: UpdateKey }) body: UpdateKey,
  ): Promise<Key> {
    await this.existing(id);
    const key = await this.keys.update(actor, id, toKeyChange(body));
    if (!key) throw unknownGroup();
    return toKey(key, this.clock.now());
  }

  @Post(':id/rotate')
  @Permit('keys:write')
  @HttpCode(200)
  @ApiOperation({ summary: 'Give the key a new secret; the old one works on for the overlap' })
  @ApiOkResponse({ standardSchema: IssuedKey })
  async rotate(
    @Actor() actor: string,
    @Param('id', { schema: idOf('key') }) id: string,
    @Body({ schema: RotateKey.prefault({}) }) body: RotateKey,
  ): Promise<IssuedKey> {
    const issued = await this.keys.rotate(actor, id, body.overlap_seconds);
    if (issued === 'not_found') throw AdminProblem.notFound('key');
    if (issued === 'conflict') {
      throw AdminProblem.conflict('The key is revoked, or somebody else has just rotated it. Read it again.');
    }
    return { ...toKey(issued.key, this.clock.now()), secret: issued.secret };
  }

  @Post(':id/revoke')
  @Permit('keys:write')
  @HttpCode(200)
  @ApiOperation({ summary: 'Refuse the key from now on' })
  @ApiOkResponse({ standardSchema: Key })
  async revoke(@Actor() actor: string, @Param('id', { schema: idOf('key') }) id: string): Promise<Key> {
    const key = await this.keys.revoke(actor, id);
    if (!key) throw AdminProblem.notFound('key');
    return toKey(key, this.clock.now());
  }

  @Delete(':id')
  @Permit('keys:write')
  @HttpCode(204)
  @ApiOperation({ summary: 'Delete a key; its log rows stay' })
  @ApiNoContentResponse()
  async remove(@Actor() actor: string, @Param('id', { schema: idOf('key') }) id: string): Promise<void> {
    if (!(await this.keys.remove(actor, id))) throw AdminProblem.notFound('key');
  }

  private async existing(id: string): Promise<KeyRow> {
    const key = await this.keys.find(id);
    if (!key) throw AdminProblem.notFound('key');
    return key;
  }
}

function unknownGroup(): AdminProblem {
  return AdminProblem.invalid([{ path: 'group_id', message: 'is not the id of an existing group' }]);
}
