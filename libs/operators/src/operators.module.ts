import { type DynamicModule, Module } from '@nestjs/common';
import { RuntimeModule } from '@app/runtime';
import { AdminTokens } from './admin-tokens.js';
import { Invitations } from './invitations.js';
import { OperatorIdentities } from './operator-identities.js';
import { OperatorSessions } from './operator-sessions.js';
import { OperatorsService } from './operators.service.js';
import { PasswordHasher } from './password-hasher.js';
import { Passwords } from './passwords.js';
import { SecondFactorChecks } from './second-factor-checks.js';
import { SecondFactors } from './second-factors.js';
import { SignInDelays } from './sign-in-delays.js';
import { SignIns } from './sign-in.js';
import { TotpSecrets } from './totp-secrets.js';

@Module({})
export class OperatorsModule {
  /** @param masterKey 32 bytes, seals what second factors are made from */
  static forRoot(masterKey: Buffer): DynamicModule {
    const services = [
      AdminTokens,
      Invitations,
      OperatorIdentities,
      OperatorSessions,
      OperatorsService,
      Passwords,
      SecondFactors,
      SignIns,
    ];
    return {
      module: OperatorsModule,
      imports: [RuntimeModule],
      providers: [
        ...services,
        PasswordHasher,
        SecondFactorChecks,
        SignInDelays,
        { provide: TotpSecrets, useValue: new TotpSecrets(masterKey) },
      ],
      exports: services,
    };
  }
}
