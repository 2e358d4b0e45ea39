import { Body, Delete, HttpCode, Post, Req } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import type { FastifyRequest } from 'fastify';
import { DisableTotp, EnrolTotp, PendingTotp, RecoveryCodes, TotpCode } from '@app/contract';
import { Passwords, SecondFactors } from '@app/operators';
import { AdminController } from '../admin/admin.decorators.js';
import { AdminProblem } from '../http/admin-problem.js';
import { Throttles } from '../throttling/throttles.js';
import { Permit } from './permissions.js';
import { Caller, type Principal } from './principal.js';
import { inTurn, tooManySignIns } from './signed-in.js';

/** The second factor of whoever has signed in. */
@AdminController('session/totp')
export class TotpController {
  constructor(
    private readonly secondFactors: SecondFactors,
    private readonly passwords: Passwords,
    private readonly throttles: Throttles,
  ) {}

  @Post()
  @Permit('self:write', 'own')
  @HttpCode(200)
  @ApiOperation({ summary: 'Begin to have a second factor; nothing asks for it until it is confirmed' })
  @ApiOkResponse({ standardSchema: PendingTotp })
  async enrol(
    @Caller() caller: Principal,
    @Body({ schema: EnrolTotp }) { current_password: password }: EnrolTotp,
    @Req() { ip }: FastifyRequest,
  ): Promise<PendingTotp> {
    const { operatorId } = await this.admitted(caller, ip);
    if (!(await inTurn(() => this.passwords.isRight(operatorId, password)))) {
      throw AdminProblem.invalid([{ path: 'current_password', message: 'is not the password' }]);
    }
    const pending = await this.secondFactors.enrol(operatorId);
    if (pending === 'enabled') throw AdminProblem.conflict('There is a second factor: switch it off first.');
    return { secret: pending.secret, otpauth_url: pending.url };
  }

  @Post('confirm')
  @Permit('self:write', 'own')
  @HttpCode(200)
  @ApiOperation({ summary: 'Have every sign-in ask for a code from now on; all other sessions end' })
  @ApiOkResponse({ standardSchema: RecoveryCodes })
  async confirm(
    @Caller() caller: Principal,
    @Body({ schema: TotpCode }) { code }: TotpCode,
    @Req() { ip }: FastifyRequest,
  ): Promise<RecoveryCodes> {
    const { operatorId, sessionId } = await this.admitted(caller, ip);
    const confirmed = await this.secondFactors.confirm(operatorId, sessionId, code);
    if (confirmed === 'not_pending') {
      throw AdminProblem.conflict('There is nothing to confirm: POST /admin/v1/session/totp begins.');
    }
    if (confirmed === 'wrong_code') throw wrongCode();
    if (typeof confirmed === 'number') throw tooManySignIns(confirmed);
    return { recovery_codes: confirmed };
  }

  @Delete()
  @Permit('self:write', 'own')
  @HttpCode(204)
  @ApiOperation({ summary: 'Switch the second factor off, by a code of it' })
  @ApiNoContentResponse()
  async disable(
    @Caller() caller: Principal,
    @Body({ schema: DisableTotp }) { code }: DisableTotp,
    @Req() { ip }: FastifyRequest,
  ): Promise<void> {
    const { operatorId } = await this.admitted(caller, ip);
    const disabled = await this.secondFactors.disable(operatorId, code);
    if (disabled === 'not_enabled') throw AdminProblem.conflict('There is no second factor to switch off.');
    if (disabled === 'wrong_code') throw wrongCode();
    if (typeof disabled === 'number') throw tooManySignIns(disabled);
  }

  /** Who has signed in, as long as he does not guess. @throws AdminProblem 409, 429 */
  private async admitted(
    { operator, sessionId }: Principal,
    address: string,
  ): Promise<{ operatorId: string; sessionId: string }> {
    if (operator === null || sessionId === null) {
      throw AdminProblem.conflict('Only who has signed in has a second factor.');
    }
    const waitSeconds = await this.throttles.count('sign_ins', address);
    if (waitSeconds > 0) throw tooManySignIns(waitSeconds);
    return { operatorId: operator.id, sessionId };
  }
}

function wrongCode(): AdminProblem {
  return AdminProblem.invalid([{ path: 'code', message: 'is wrong, over, or was used already' }]);
}
