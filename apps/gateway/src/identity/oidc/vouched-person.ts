import { CreateOperator } from '@app/contract';

/** What a provider says of somebody, in its token and at its userinfo endpoint. */
export interface Claims {
  readonly [name: string]: unknown;
}

const ENTRA = 'https://login.microsoftonline.com/';

/** Who it is by his address, if the provider says that the address is his. */
export function vouchedPerson(
  claims: Claims,
  issuer: string,
): { email: string; name: string } | 'missing' | 'unverified' {
  const { data: email } = CreateOperator.shape.email.safeParse(claims.email);
  if (email === undefined) return 'missing';
  if (!isVerified(claims, issuer)) return 'unverified';
  const { data: name = email.slice(0, 100) } = CreateOperator.shape.name.safeParse(claims.name);
  return { email, name };
}

/** Whether the address is in one of the domains, in lower case; none of them: any will do. */
export function isOfDomain(email: string, domains: readonly string[]): boolean {
  return domains.length === 0 || domains.includes(email.slice(email.lastIndexOf('@') + 1));
}

/** Entra sends no email_verified, but can be told to say whether the domain of the address is the tenant's own. */
function isVerified({ email_verified: verified, xms_edov: isDomainVerified }: Claims, issuer: string): boolean {
  if (verified !== undefined || !issuer.startsWith(ENTRA)) return verified === true;
  return isDomainVerified === true || isDomainVerified === 1 || isDomainVerified === '1';
}
