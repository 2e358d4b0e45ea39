export { type AdminTokenRow, AdminTokens } from './admin-tokens.js';
export { Invitations } from './invitations.js';
export { OperatorSessions, type SessionOfOperator } from './operator-sessions.js';
export { OperatorsModule } from './operators.module.js';
export { type OperatorChange, type OperatorInput, type OperatorRow, OperatorsService } from './operators.service.js';
export { TooManyPasswords } from './password-hasher.js';
export { type SignedIn, SignIns } from './sign-in.js';
