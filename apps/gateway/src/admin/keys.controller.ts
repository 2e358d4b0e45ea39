import { Body, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import {
  BodyPolicy,
  CreateKey,
  idOf,
  IssuedKey,
  Key,
  KeyList,
  ListKeysQuery,
  type Page,
  RotateKey,
  toPublicId,
  UpdateKey,
} from '@app/contract';
import { Prisma, type SeenVersions } from '@app/database';
import { type IssuedKey as IssuedKeyRow, type KeyInput, type KeyRow, KeysService, keyStatus } from '@app/keys';
import { Clock } from '@app/runtime';
import { IfMatch } from '../conditional/if-match.js';
import { tagged, type Tagged } from '../conditional/tagged.js';
import { Permit } from '../identity/permissions.js';
import { Actor, OwnKeys } from '../identity/principal.js';
import { AdminProblem } from '../http/admin-problem.js';
import { AdminController } from './admin.decorators.js';
import { given } from './given.js';
import { toLimitColumns, shownLimits } from './limit-fields.js';
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
    return page(rows, query.limit, 'key', (row) => this.toKey(row));
  }

  @Post()
  @Permit('keys:write')
  @ApiOperation({ summary: 'Issue a key; its secret is told this once' })
  @ApiCreatedResponse({ standardSchema: IssuedKey })
  async create(@Actor() actor: string, @Body({ schema: CreateKey }) body: CreateKey): Promise<Tagged<IssuedKey>> {
    const { name, owner, group_id: groupId, models, expires_at: expiresAt } = body;
    const issued = await this.keys.issue(actor, {
      name,
      owner,
      ...toLimitColumns(body),
      groupId,
      models: models ?? [],
      expiresAt: expiresAt === null ? null : new Date(expiresAt),
      bodyPolicy: toStoredPolicy(body.body_policy),
    });
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
    return tagged(this.toKey(key), key);
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
    const key = await this.keys.update(actor, id, changesOf(body), seen);
    if (!key) throw unknownGroup();
    return tagged(this.toKey(key), key);
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
    const issued = await this.keys.rotate(actor, id, body.overlap_seconds, seen);
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
    return tagged(this.toKey(key), key);
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
    return tagged({ ...this.toKey(key), secret }, key);
  }

  private toKey(row: KeyRow): Key {
    return {
      id: toPublicId('key', row.id),
      name: row.name,
      group_id: toPublicId('group', row.groupId),
      group_name: row.group.name,
      owner: row.owner,
      models: row.models.length > 0 ? row.models : null,
      body_policy: row.bodyPolicy === null ? null : BodyPolicy.parse(row.bodyPolicy),
      ...shownLimits(row),
      prefix: row.prefix,
      last4: row.last4,
      status: keyStatus(row, this.clock.now()),
      previous_secret_expires_at: row.previousSecretExpiresAt?.toISOString() ?? null,
      expires_at: row.expiresAt?.toISOString() ?? null,
      revoked_at: row.revokedAt?.toISOString() ?? null,
      last_used_at: row.lastUsedAt?.toISOString() ?? null,
      created_at: row.createdAt.toISOString(),
      updated_at: row.updatedAt.toISOString(),
    };
  }
}

function changesOf(update: UpdateKey): Partial<KeyInput> {
  const { group_id, models, expires_at, name, owner, body_policy, ...limits } = update;
  return {
    ...given({ name, owner }),
    ...toLimitColumns(limits),
    ...(group_id === undefined ? {} : { groupId: group_id }),
    ...(models === undefined ? {} : { models: models ?? [] }),
    ...(body_policy === undefined ? {} : { bodyPolicy: toStoredPolicy(body_policy) }),
    ...(expires_at === undefined ? {} : { expiresAt: expires_at === null ? null : new Date(expires_at) }),
  };
}

function toStoredPolicy(policy: BodyPolicy | null) {
  return policy ?? Prisma.DbNull;
}

function unknownGroup(): AdminProblem {
  return AdminProblem.invalid([{ path: 'group_id', message: 'is not the id of an existing group' }]);
}
