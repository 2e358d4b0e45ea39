import { type DynamicModule, Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { OperatorsModule } from '@app/operators';
import { AdminTokenHash } from '../http/admin-token.js';
import { AdminTokensController } from './admin-tokens.controller.js';
import { LastingAccess } from './lasting-access.js';
import { OperatorsController } from './operators.controller.js';
import { Principals } from './principals.js';
import { RoutePermissions } from './route-permissions.js';
import { SessionController } from './session.controller.js';
import { SetupController } from './setup.controller.js';

/** Who may do what in the control plane. */
@Module({})
export class IdentityModule {
  static forRoot(bootstrap: AdminTokenHash): DynamicModule {
    return {
      module: IdentityModule,
      global: true,
      imports: [DiscoveryModule, OperatorsModule],
      controllers: [SessionController, SetupController, OperatorsController, AdminTokensController],
      providers: [{ provide: AdminTokenHash, useValue: bootstrap }, Principals, LastingAccess, RoutePermissions],
      exports: [Principals, LastingAccess],
    };
  }
}
