import { Body, Delete, Get, HttpCode, Param, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import {
  type AdminToken,
  AdminTokenList,
  CreateAdminToken,
  idOf,
  IssuedAdminToken,
  type Page,
  PageQuery,
} from '@app/contract';
import { AdminTokens } from '@app/operators';
import { AdminController } from '../admin/admin.decorators.js';
import { page, pageRequest } from '../admin/page.js';
import { AdminProblem } from '../http/admin-problem.js';
import { Permit } from './permissions.js';
import { Caller, type Principal } from './principal.js';
import { toAdminToken } from './shown-operator.js';

/** Whoever has a token that ADMIN_TOKEN has made is no operator. */
const NOBODY = '00000000-0000-0000-0000-000000000000';

/** Tokens of programs. Everybody has his own; who may change operators sees and revokes those of others, too. */
@AdminController('tokens')
export class AdminTokensController {
  constructor(private readonly tokens: AdminTokens) {}

  @Get()
  @Permit('self:read', 'own')
  @ApiOperation({ summary: 'List admin tokens, newest first' })
  @ApiOkResponse({ standardSchema: AdminTokenList })
  async list(@Caller() caller: Principal, @Query({ schema: PageQuery }) query: PageQuery): Promise<Page<AdminToken>> {
    const rows = await this.tokens.list(limitedTo(caller, 'operators:read'), pageRequest(query, 'admin_token'));
    return page(rows, query.limit, 'admin_token', toAdminToken);
  }

  @Post()
  @Permit('self:write', 'own')
  @ApiOperation({ summary: 'Issue an admin token, for no more than one may do oneself; its secret is told this once' })
  @ApiCreatedResponse({ standardSchema: IssuedAdminToken })
  async create(
    @Caller() { actor, operator, permissions: held }: Principal,
    @Body({ schema: CreateAdminToken }) { name, permissions, expires_at: expiresAt }: CreateAdminToken,
  ): Promise<IssuedAdminToken> {
    if (permissions.some((permission) => !held.has(permission))) throw AdminProblem.notGranted();
    const issued = await this.tokens.issue(actor, {
      name,
      operatorId: operator?.id ?? null,
      permissions,
      expiresAt: expiresAt === null ? null : new Date(expiresAt),
    });
    if (issued === 'taken') throw AdminProblem.conflict('There is an admin token of this name.', 'name');
    return { ...toAdminToken(issued.token), secret: issued.secret };
  }

  @Delete(':id')
  @Permit('self:write', 'own')
  @HttpCode(204)
  @ApiOperation({ summary: 'Revoke an admin token' })
  @ApiNoContentResponse()
  async revoke(@Caller() caller: Principal, @Param('id', { schema: idOf('admin_token') }) id: string): Promise<void> {
    if (!(await this.tokens.revoke(caller.actor, id, limitedTo(caller, 'operators:write')))) {
      throw AdminProblem.notFound('admin token');
    }
  }
}

/** Whose tokens somebody may have to do with; null: everybody's. */
function limitedTo({ permissions, operator }: Principal, beyond: 'operators:read' | 'operators:write'): string | null {
  return permissions.has(beyond) ? null : (operator?.id ?? NOBODY);
}
