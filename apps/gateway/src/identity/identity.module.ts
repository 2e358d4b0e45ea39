import { Module } from '@nestjs/common';
import { DiscoveryModule } from '@nestjs/core';
import { RoutePermissions } from './route-permissions.js';

/** Who may do what in the control plane. */
@Module({ imports: [DiscoveryModule], providers: [RoutePermissions] })
export class IdentityModule {}
