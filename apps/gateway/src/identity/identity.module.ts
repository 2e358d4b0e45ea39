import { type DynamicModule, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { OperatorsModule } from '@app/operators';
import { Clock, type OidcSettings, RuntimeModule } from '@app/runtime';
import { AdminTokenHash } from '../http/admin-token.js';
import { AdminTokensController } from './admin-tokens.controller.js';
import { LastingAccess } from './lasting-access.js';
import { OidcController } from './oidc/oidc.controller.js';
import { OidcLogins } from './oidc/oidc-logins.js';
import { OidcProvider } from './oidc/oidc-provider.js';
import { OperatorsController } from './operators.controller.js';
import { Principals } from './principals.js';
import { RoutePermissions } from './route-permissions.js';
import { SessionController } from './session.controller.js';
import { SetupController } from './setup.controller.js';
import { TotpController } from './totp.controller.js';

export interface IdentityOptions {
  readonly adminToken: AdminTokenHash;
  /** 32 bytes */
  readonly masterKey: Buffer;
  readonly oidc: OidcSettings | null;
  readonly publicUrl: string | null;
}

/** Who may do what in the control plane. */
@Module({})
export class IdentityModule {
  static forRoot({ adminToken, masterKey, oidc, publicUrl }: IdentityOptions): DynamicModule {
    return {
      module: IdentityModule,
      global: true,
      imports: [DiscoveryModule, RuntimeModule, OperatorsModule.forRoot(masterKey)],
      controllers: [
        SessionController,
        TotpController,
        OidcController,
        SetupController,
        OperatorsController,
        AdminTokensController,
      ],
      providers: [
        { provide: AdminTokenHash, useValue: adminToken },
        { provide: OidcProvider, useFactory: (clock: Clock) => new OidcProvider(oidc, clock), inject: [Clock] },
        { provide: OidcLogins, useValue: new OidcLogins(masterKey, publicUrl) },
        Principals,
        LastingAccess,
        RoutePermissions,
      ],
      exports: [Principals, LastingAccess],
    };
  }
}
