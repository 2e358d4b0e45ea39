import { Get, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiResponse } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { OperatorIdentities, type SignedIn } from '@app/operators';
import { Clock } from '@app/runtime';
import { AdminController } from '../../admin/admin.decorators.js';
import { AdminProblem } from '../../http/admin-problem.js';
import { Throttles } from '../../throttling/throttles.js';
import { Open } from '../permissions.js';
import { setSessionCookie } from '../session-cookie.js';
import { tooManySignIns } from '../signed-in.js';
import { OidcLogins } from './oidc-logins.js';
import { PAGE_HEADERS, problemPage, SIGNED_IN_PAGE } from './oidc-pages.js';
import { oidcProblems } from './oidc-problems.js';
import { OidcProvider, type VouchedLogin } from './oidc-provider.js';
import { isOfDomain, vouchedPerson } from './vouched-person.js';

/** Signs in by the OpenID provider. Browsers are led through it: they are told in a page what went wrong, programs in a problem. */
@AdminController('oidc')
export class OidcController {
  constructor(
    private readonly provider: OidcProvider,
    private readonly logins: OidcLogins,
    private readonly identities: OperatorIdentities,
    private readonly throttles: Throttles,
    private readonly clock: Clock,
  ) {}

  @Get('login')
  @Open()
  @ApiOperation({ summary: 'Lead a browser to the OpenID provider' })
  @ApiResponse({ status: 302 })
  async login(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    await orPage(request, reply, async () => {
      const redirectUri = this.logins.redirectUriFor(request);
      if (redirectUri === null) throw oidcProblems.unknownAddress();
      const { url, login } = await this.provider.begin(redirectUri);
      this.logins.keep(reply, login, this.clock.now());
      void reply.code(302).headers({ location: url.href, 'cache-control': 'no-store' }).send();
    });
  }

  @Get('callback')
  @Open()
  @ApiOperation({ summary: 'Sign in by what the OpenID provider has sent the browser back with' })
  @ApiOkResponse({ description: 'A page that leads to the console; the session is in a cookie' })
  async callback(@Req() request: FastifyRequest, @Res() reply: FastifyReply): Promise<void> {
    await orPage(request, reply, async () => {
      const { search, searchParams } = new URL(request.url, 'http://localhost');
      const login = this.logins.take(request, reply, searchParams.get('state'), this.clock.now());
      if (login === null) throw oidcProblems.loginOver();
      const waitSeconds = await this.throttles.count('sign_ins', request.ip);
      if (waitSeconds > 0) throw tooManySignIns(waitSeconds);
      const { secret, expiresAt } = await this.signIn(await this.provider.finish(login, search));
      setSessionCookie(reply, secret, expiresAt);
      void reply.headers(PAGE_HEADERS).send(SIGNED_IN_PAGE);
    });
  }

  /** @throws AdminProblem 403, 503 */
  private async signIn(vouched: VouchedLogin): Promise<SignedIn> {
    const known = await this.identities.signIn(vouched.identity);
    const signedIn = known === 'unknown' ? await this.bind(vouched) : known;
    if (signedIn === 'unknown') throw oidcProblems.unknownOperator();
    if (signedIn === 'disabled') throw oidcProblems.operatorDisabled();
    if (signedIn === 'taken') throw oidcProblems.addressTaken();
    return signedIn;
  }

  private async bind({ identity, claims }: VouchedLogin): ReturnType<OperatorIdentities['bind']> {
    const person = vouchedPerson(await claims(), identity.issuer);
    if (person === 'missing') throw oidcProblems.emailMissing();
    if (person === 'unverified') throw oidcProblems.emailUnverified();
    const { allowedDomains = [], defaultRole: role = null } = this.provider.settings ?? {};
    if (!isOfDomain(person.email, allowedDomains)) throw oidcProblems.domainNotAllowed();
    return this.identities.bind(identity, { ...person, role });
  }
}

/** What goes wrong is told in a page to whoever can read one. */
async function orPage(request: FastifyRequest, reply: FastifyReply, answer: () => Promise<void>): Promise<void> {
  try {
    await answer();
  } catch (error) {
    if (!(error instanceof AdminProblem) || !request.headers.accept?.includes('text/html')) throw error;
    void reply.code(error.status).headers(PAGE_HEADERS).send(problemPage(error));
  }
}
