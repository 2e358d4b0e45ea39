import { Module } from '@nestjs/common';
import { RuntimeModule } from '@app/runtime';
import { AdminTokens } from './admin-tokens.js';
import { Invitations } from './invitations.js';
import { OperatorSessions } from './operator-sessions.js';
import { OperatorsService } from './operators.service.js';
import { PasswordHasher } from './password-hasher.js';
import { SignInDelays } from './sign-in-delays.js';
import { SignIns } from './sign-in.js';

@Module({
  imports: [RuntimeModule],
  providers: [AdminTokens, Invitations, OperatorSessions, OperatorsService, PasswordHasher, SignInDelays, SignIns],
  exports: [AdminTokens, Invitations, OperatorSessions, OperatorsService, SignIns],
})
export class OperatorsModule {}
