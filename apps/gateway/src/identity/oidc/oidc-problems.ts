import { AdminProblem } from '../../http/admin-problem.js';

/** Why a sign-in by the provider has failed, and what to do about it. */
export const oidcProblems = {
  notConfigured: () =>
    new AdminProblem(
      404,
      'oidc_not_configured',
      'No OpenID provider',
      'This gateway knows no OpenID provider. Sign in by password, or have OIDC_ISSUER and OIDC_CLIENT_ID set.',
    ),
  unavailable: () =>
    new AdminProblem(
      503,
      'oidc_unavailable',
      'OpenID provider unavailable',
      'The OpenID provider does not answer, or not as it should; the log of the gateway says more. Sign in by password, or try again later.',
    ),
  unknownAddress: () =>
    new AdminProblem(
      400,
      'oidc_unknown_address',
      'Unknown address',
      'The request does not say where it was sent to, so that nobody could be led back. Have PUBLIC_URL set.',
    ),
  loginOver: () =>
    new AdminProblem(
      400,
      'oidc_login_over',
      'Sign-in is over',
      'This sign-in was not begun by this browser, took more than ten minutes, or is over already. Begin again.',
    ),
  loginInvalid: () =>
    new AdminProblem(
      401,
      'oidc_login_invalid',
      'Not signed in',
      'What the OpenID provider has answered belongs to no sign-in that is under way, or was used already. Begin again.',
    ),
  /** @param reason of RFC 6749 §4.1.2.1 */
  refusedByProvider: (reason: string) =>
    new AdminProblem(
      403,
      'oidc_refused',
      'Refused by the OpenID provider',
      `The OpenID provider has not let you in (${reason}). Begin again, or ask who looks after it.`,
    ),
  emailMissing: () =>
    new AdminProblem(
      403,
      'oidc_email_missing',
      'No e-mail address',
      'The OpenID provider tells no e-mail address of yours. Have the scope email in OIDC_SCOPES, and let the provider give it.',
    ),
  emailUnverified: () =>
    new AdminProblem(
      403,
      'oidc_email_unverified',
      'E-mail address not verified',
      'The OpenID provider does not say that it has verified your e-mail address. Have it verified there, then sign in again.',
    ),
  domainNotAllowed: () =>
    new AdminProblem(
      403,
      'oidc_domain_not_allowed',
      'Domain not allowed',
      'Addresses of your domain are not let in here (OIDC_ALLOWED_DOMAINS). Sign in by another account.',
    ),
  unknownOperator: () =>
    new AdminProblem(
      403,
      'oidc_unknown_operator',
      'Not invited',
      'Nobody of your e-mail address is an operator here. Ask an owner or an admin to invite you by it.',
    ),
  operatorDisabled: () =>
    new AdminProblem(
      403,
      'operator_disabled',
      'Operator disabled',
      'You may not sign in at present. Ask an owner or an admin to enable you.',
    ),
  addressTaken: () =>
    new AdminProblem(
      403,
      'oidc_identity_taken',
      'Address of somebody else',
      'The operator of your e-mail address has signed in by another account of this provider. Ask an owner or an admin to invite you again.',
    ),
};
