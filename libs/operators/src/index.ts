export { type AdminTokenRow, AdminTokens } from './admin-tokens.js';
export { Invitations } from './invitations.js';
export { type Identity, type Newcomer, OperatorIdentities } from './operator-identities.js';
export { OperatorSessions, type SessionOfOperator } from './operator-sessions.js';
export { OperatorsModule } from './operators.module.js';
export {
  type OperatorChange,
  type OperatorInput,
  type OperatorRow,
  OperatorsService,
  type SignedIn,
} from './operators.service.js';
export { TooManyPasswords } from './password-hasher.js';
export { Passwords } from './passwords.js';
export { SecondFactors } from './second-factors.js';
export { SignIns } from './sign-in.js';
export { resealTotps, TotpSecrets } from './totp-secrets.js';
