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
import type { SeenVersions } from '@app/database';
import { type IssuedKey as IssuedKeyRow, type KeyRow, KeysService } from '@app/keys';
import { Clock } from '@app/runtime';
import { IfMatch } from '../conditional/if-match.js';
import { tagged, type Tagged } from '../conditional/tagged.js';
import { Permit } from '../identity/permissions.js';
import { Actor, OwnKeys } from '../identity/principal.js';
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
  @Permit('keys:read', 'own')
  @ApiOperation({ summary: 'List keys, newest first' })
  @ApiOkResponse({ standardSchema: KeyList })
  async list(
    @OwnKeys() ownKeys: readonly string[] | null,
    @Query({ schema: ListKeysQuery }) query: ListKeysQuery,
  ): Promise<Page<Key>> {
    const rows = await this.keys.list({ ...pageRequest(query, 'key'), groupId: query.group ?? null, ids: ownKeys });
    return page(rows, query.limit, 'key', (row) => this.shown(row));
  }

  @Post()
  @Permit('keys:write')
  @ApiOperation({ summary: 'Issue a key; its secret is told this once' })
  @ApiCreatedResponse({ standardSchema: IssuedKey })
  async create(@Actor() actor: string, @Body({ schema: CreateKey }) body: CreateKey): Promise<Tagged<IssuedKey>> {
    const issued = await this.keys.issue(actor, toKeyInput(body));
    if (!issued) throw unknownGroup();
    return this.toIssued(issued);
  }

  @Get(':id')
  @Permit('keys:read', 'own')
  @ApiOperation({ summary: 'Read a key' })
  @ApiOkResponse({ standardSchema: Key })
  async find(
    @OwnKeys() ownKeys: readonly string[] | null,
    @Param('id', { schema: idOf('key') }) id: string,
  ): Promise<Tagged<Key>> {
    if (ownKeys && !ownKeys.includes(id)) throw AdminProblem.notFound('key');
    const key = await this.existing(id);
    return tagged(this.shown(key), key);
  }

  @Patch(':id')
  @Permit('keys:write')
  @ApiOperation({ summary: 'Change a key' })
  @ApiOkResponse({ standardSchema: Key })
  async update(
    @Actor() actor: string,
    @Param('id', { schema: idOf('key') }) id: string,
    @Body({ schema: UpdateKey }) body: UpdateKey,
    @IfMatch() seen: SeenVersions,
  ): Promise<Tagged<Key>> {
    await this.existing(id);
    const key = await this.keys.update(actor, id, toKeyChange(body), seen);
    if (!key) throw unknownGroup();
    return tagged(this.shown(key), key);
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
    @IfMatch() seen: SeenVersions,
  ): Promise<Tagged<IssuedKey>> {
    const issued = await this.keys.rotate(actor, id, { overlapSeconds: body.overlap_seconds }, seen);
    if (issued === 'not_found') throw AdminProblem.notFound('key');
    if (issued === 'conflict') {
      throw AdminProblem.conflict('The key is revoked, or somebody else has just rotated it. Read it again.');
    }
    return this.toIssued(issued);
  }

  @Post(':id/revoke')
  @Permit('keys:write')
  @HttpCode(200)
  @ApiOperation({ summary: 'Refuse the key from now on' })
  @ApiOkResponse({ standardSchema: Key })
  async revoke(
    @Actor() actor: string,
    @Param('id', { schema: idOf('key') }) id: string,
    @IfMatch() seen: SeenVersions,
  ): Promise<Tagged<Key>> {
    const key = await this.keys.revoke(actor, id, seen);
    if (!key) throw AdminProblem.notFound('key');
    return tagged(this.shown(key), key);
  }

  @Delete(':id')
  @Permit('keys:write')
  @HttpCode(204)
  @ApiOperation({ summary: 'Delete a key; its log rows stay' })
  @ApiNoContentResponse()
  async remove(
    @Actor() actor: string,
    @Param('id', { schema: idOf('key') }) id: string,
    @IfMatch() seen: SeenVersions,
  ): Promise<void> {
    if (!(await this.keys.remove(actor, id, seen))) throw AdminProblem.notFound('key');
  }

  private async existing(id: string): Promise<KeyRow> {
    const key = await this.keys.find(id);
    if (!key) throw AdminProblem.notFound('key');
    return key;
  }

  private toIssued({ key, secret }: IssuedKeyRow): Tagged<IssuedKey> {
    return tagged({ ...this.shown(key), secret }, key);
  }

  private shown(row: KeyRow): Key {
    return toKey(row, this.clock.now());
  }
}

function unknownGroup(): AdminProblem {
  return AdminProblem.invalid([{ path: 'group_id', message: 'is not the id of an existing group' }]);
}
