import { Body, Post, Req, Res } from '@nestjs/common';
import { ApiCreatedResponse, ApiOperation } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CurrentPrincipal, SetUp } from '@app/contract';
import { Invitations } from '@app/operators';
import { AdminController } from '../admin/admin.decorators.js';
import { AdminProblem } from '../http/admin-problem.js';
import { Throttles } from '../throttling/throttles.js';
import { isFromAnotherSite } from './cross-site.js';
import { Open } from './permissions.js';
import { setSessionCookie } from './session-cookie.js';
import { inTurn, ofSignedIn, tooManySignIns } from './signed-in.js';

@AdminController('setup')
export class SetupController {
  constructor(
    private readonly invitations: Invitations,
    private readonly throttles: Throttles,
  ) {}

  @Post()
  @Open()
  @ApiOperation({
    summary: 'Set a password by the link that the first start has printed, or by an invitation, and sign in',
  })
  @ApiCreatedResponse({ standardSchema: CurrentPrincipal })
  async setUp(
    @Body({ schema: SetUp }) { token, password, name, email }: SetUp,
    @Req() request: FastifyRequest,
    @Res({ passthrough: true }) reply: FastifyReply,
  ): Promise<CurrentPrincipal> {
    if (isFromAnotherSite(request)) throw AdminProblem.crossSite();
    const waitSeconds = await this.throttles.count('sign_ins', request.ip);
    if (waitSeconds > 0) throw tooManySignIns(waitSeconds);
    if (await this.invitations.isSetupToken(token)) {
      const missing = Object.entries({ name, email }).flatMap(([path, value]) =>
        value === undefined ? [{ path, message: 'is required for the first owner' }] : [],
      );
      if (missing.length > 0) throw AdminProblem.invalid(missing);
    }
    const owner = name === undefined || email === undefined ? null : { name, email };
    const signedIn = await inTurn(() => this.invitations.withToken(token, password, owner));
    if (!signedIn)
      throw AdminProblem.invalid([{ path: 'token', message: 'is not valid any more: ask for another link' }]);
    setSessionCookie(reply, signedIn.secret, signedIn.expiresAt);
    return ofSignedIn(signedIn);
  }
}
