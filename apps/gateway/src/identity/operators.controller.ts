import { Body, Delete, Get, HttpCode, Param, Patch, Post, Query } from '@nestjs/common';
import { ApiCreatedResponse, ApiNoContentResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import {
  CreateOperator,
  idOf,
  InvitedOperator,
  Operator,
  OperatorList,
  type Page,
  PageQuery,
  type Role,
  UpdateOperator,
} from '@app/contract';
import { type OperatorChange, type OperatorRow, OperatorsService, SecondFactors } from '@app/operators';
import { AdminController } from '../admin/admin.decorators.js';
import { given } from '../admin/given.js';
import { page, pageRequest } from '../admin/page.js';
import { AdminProblem } from '../http/admin-problem.js';
import { Permit } from './permissions.js';
import { Caller, mayGrant, type Principal } from './principal.js';
import { permissionsOf } from './principals.js';
import { toOperator } from './shown-operator.js';

@AdminController('operators')
export class OperatorsController {
  constructor(
    private readonly operators: OperatorsService,
    private readonly secondFactors: SecondFactors,
  ) {}

  @Get()
  @Permit('operators:read')
  @ApiOperation({ summary: 'List operators, newest first' })
  @ApiOkResponse({ standardSchema: OperatorList })
  async list(@Query({ schema: PageQuery }) query: PageQuery): Promise<Page<Operator>> {
    return page(await this.operators.list(pageRequest(query, 'operator')), query.limit, 'operator', toOperator);
  }

  @Post()
  @Permit('operators:write')
  @ApiOperation({ summary: 'Invite somebody; the token of the invitation is told this once' })
  @ApiCreatedResponse({ standardSchema: InvitedOperator })
  async create(
    @Caller() caller: Principal,
    @Body({ schema: CreateOperator }) { key_ids: keyIds, ...body }: CreateOperator,
  ): Promise<InvitedOperator> {
    requireGrant(caller, body);
    const invited = await this.operators.invite(caller.actor, { ...body, keyIds });
    if (invited === 'taken') throw AdminProblem.conflict('There is an operator with this e-mail address.', 'email');
    if (invited === 'unknown_key') throw unknownKey();
    return { ...toOperator(invited.operator), setup_token: invited.token };
  }

  @Get(':id')
  @Permit('operators:read')
  @ApiOperation({ summary: 'Read an operator' })
  @ApiOkResponse({ standardSchema: Operator })
  async find(@Param('id', { schema: idOf('operator') }) id: string): Promise<Operator> {
    return toOperator(await this.existing(id));
  }

  @Patch(':id')
  @Permit('operators:write')
  @ApiOperation({ summary: 'Change an operator; who may do less than before has to sign in again' })
  @ApiOkResponse({ standardSchema: Operator })
  async update(
    @Caller() caller: Principal,
    @Param('id', { schema: idOf('operator') }) id: string,
    @Body({ schema: UpdateOperator }) { key_ids: keyIds, ...body }: UpdateOperator,
  ): Promise<Operator> {
    const change: OperatorChange = { ...given(body), ...(keyIds === undefined ? {} : { keyIds }) };
    const isAllowed = (before: OperatorRow) =>
      isBelow(caller, before) &&
      mayGrant(
        caller,
        permissionsOf({ role: body.role ?? before.role, permissions: body.permissions ?? before.permissions }),
      );
    const operator = await this.operators.update(caller.actor, id, change, isAllowed);
    if (operator === 'unknown_key') throw unknownKey();
    if (typeof operator === 'string') throw refusalOf(operator);
    return toOperator(operator);
  }

  @Post(':id/invite')
  @Permit('operators:write')
  @HttpCode(200)
  @ApiOperation({ summary: 'Invite once more: the password, the second factor and all sessions end' })
  @ApiOkResponse({ standardSchema: InvitedOperator })
  async invite(
    @Caller() caller: Principal,
    @Param('id', { schema: idOf('operator') }) id: string,
  ): Promise<InvitedOperator> {
    refuseOneself(caller, id);
    if (!isBelow(caller, await this.existing(id))) throw refusalOf('forbidden');
    const invited = await this.operators.reinvite(caller.actor, id);
    if (!invited) throw AdminProblem.notFound('operator');
    return { ...toOperator(invited.operator), setup_token: invited.token };
  }

  @Post(':id/totp/reset')
  @Permit('operators:write')
  @HttpCode(200)
  @ApiOperation({ summary: 'Take the second factor away, of somebody who has lost it; all sessions end' })
  @ApiOkResponse({ standardSchema: Operator })
  async resetTotp(
    @Caller() caller: Principal,
    @Param('id', { schema: idOf('operator') }) id: string,
  ): Promise<Operator> {
    refuseOneself(caller, id);
    const operator = await this.secondFactors.reset(caller.actor, id, (before) => isBelow(caller, before));
    if (typeof operator === 'string') throw refusalOf(operator);
    return toOperator(operator);
  }

  @Delete(':id')
  @Permit('operators:write')
  @HttpCode(204)
  @ApiOperation({ summary: 'Remove an operator, with sessions and tokens' })
  @ApiNoContentResponse()
  async remove(@Caller() caller: Principal, @Param('id', { schema: idOf('operator') }) id: string): Promise<void> {
    const result = await this.operators.remove(caller.actor, id, (before) => isBelow(caller, before));
    if (result !== 'removed') throw refusalOf(result);
  }

  private async existing(id: string): Promise<OperatorRow> {
    const operator = await this.operators.find(id);
    if (!operator) throw AdminProblem.notFound('operator');
    return operator;
  }
}

/** Nobody changes somebody who may do more. */
function isBelow(caller: Principal, operator: OperatorRow): boolean {
  return mayGrant(caller, permissionsOf(operator));
}

/** Whoever has got hold of a session takes neither the password nor the second factor away by it. */
function refuseOneself({ operator }: Principal, id: string): void {
  if (operator?.id !== id) return;
  throw AdminProblem.conflict(
    'Nobody does this to himself: change the password, or switch the second factor off, below /admin/v1/session.',
  );
}

function requireGrant(caller: Principal, granted: { role: Role; permissions: CreateOperator['permissions'] }): void {
  if (!mayGrant(caller, permissionsOf(granted))) throw refusalOf('forbidden');
}

function refusalOf(result: 'not_found' | 'forbidden' | 'last_owner'): AdminProblem {
  if (result === 'not_found') return AdminProblem.notFound('operator');
  if (result === 'last_owner') return AdminProblem.conflict('Somebody has to be owner: make another one first.');
  return AdminProblem.notGranted();
}

function unknownKey(): AdminProblem {
  return AdminProblem.invalid([{ path: 'key_ids', message: 'must be ids of existing keys' }]);
}
