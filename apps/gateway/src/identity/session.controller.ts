import { Body, Delete, Get, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiNoContentResponse, ApiOkResponse, ApiOperation } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ChangePassword, CurrentPrincipal, SignIn, SignInOptions } from '@app/contract';
import { OperatorSessions, Passwords, SignIns } from '@app/operators';
import { AdminController } from '../admin/admin.decorators.js';
import { AdminProblem } from '../http/admin-problem.js';
import { Throttles } from '../throttling/throttles.js';
import { isFromAnotherSite } from './cross-site.js';
import { OidcProvider } from './oidc/oidc-provider.js';
import { Open, Permit } from './permissions.js';
import { Caller, type Principal } from './principal.js';
import { clearSessionCookie, setSessionCookie } from './session-cookie.js';
import { toCurrentPrincipal } from './shown-operator.js';
import { inTurn, ofSignedIn, tooManySignIns } from './signed-in.js';

@AdminController('session')
export class SessionController {
  constructor(
    private readonly signIns: SignIns,
    private readonly passwords: Passwords,
    private readonly sessions: OperatorSessions,
    private readonly throttles: Throttles,
    private readonly provider: OidcProvider,
  ) {}

  @Post()
  @Open()
  @HttpCode(200)
  @ApiOperation({ summary: 'Sign in; the session is in a cookie' })
  @ApiOkResponse({ standardSchema: CurrentPrincipal })
  async signIn(
    @Body({ schema: SignIn }) { email, password, totp, recovery_code: recoveryCode }: SignIn,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CurrentPrincipal> {
    if (isFromAnotherSite(request)) throw AdminProblem.crossSite();
    const waitSeconds = await this.throttles.count('sign_ins', request.ip);
    if (waitSeconds > 0) throw tooManySignIns(waitSeconds);
    const factor = totp === undefined ? (recoveryCode === undefined ? null : { recoveryCode }) : { totp };
    const signedIn = await inTurn(() => this.signIns.withPassword({ email, password, factor }, request.ip));
    if (signedIn === 'wrong_password') throw AdminProblem.wrongPassword();
    if (signedIn === 'totp_required') throw AdminProblem.totpRequired();
    if (signedIn === 'wrong_code') throw AdminProblem.wrongCode();
    if (typeof signedIn === 'number') throw tooManySignIns(signedIn);
    setSessionCookie(reply, signedIn.secret, signedIn.expiresAt);
    return ofSignedIn(signedIn);
  }

  @Get()
  @Permit('self:read', 'own')
  @ApiOperation({ summary: 'Who calls, and what he may do' })
  @ApiOkResponse({ standardSchema: CurrentPrincipal })
  find(@Caller() caller: Principal): CurrentPrincipal {
    return toCurrentPrincipal(caller);
  }

  @Get('options')
  @Open()
  @ApiOperation({ summary: 'How one can sign in here' })
  @ApiOkResponse({ standardSchema: SignInOptions })
  options(): SignInOptions {
    return { password: true, oidc: this.provider.isConfigured };
  }

  @Delete()
  @Permit('self:write', 'own')
  @HttpCode(204)
  @ApiOperation({ summary: 'Sign out' })
  @ApiNoContentResponse()
  async signOut(@Caller() { sessionId }: Principal, @Res({ passthrough: true }) reply: FastifyReply): Promise<void> {
    if (sessionId === null) throw AdminProblem.conflict('Only a session can be signed out; a token is revoked.');
    await this.sessions.end(sessionId);
    clearSessionCookie(reply);
  }

  @Post('password')
  @Permit('self:write', 'own')
  @HttpCode(204)
  @ApiOperation({ summary: 'Change the password; all other sessions end' })
  @ApiNoContentResponse()
  async changePassword(
    @Caller() { operator, sessionId }: Principal,
    @Body({ schema: ChangePassword }) body: ChangePassword,
    @Req() { ip }: FastifyRequest,
  ): Promise<void> {
    if (sessionId === null || operator === null) throw AdminProblem.conflict('Only who has signed in has a password.');
    const waitSeconds = await this.throttles.count('sign_ins', ip);
    if (waitSeconds > 0) throw tooManySignIns(waitSeconds);
    const { current_password: current, new_password: next } = body;
    const isChanged = await inTurn(() => this.passwords.change(operator.id, sessionId, current, next));
    if (!isChanged) {
      throw AdminProblem.invalid([{ path: 'current_password', message: 'is not the password' }]);
    }
  }
}
