import { Injectable, type OnModuleInit } from '@nestjs/common';
import { PATH_METADATA } from '@nestjs/common/constants.js';
import { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import { PERMISSION_METADATA } from './permissions.js';

/** Where somebody has to be known; whatever else is there, is for everybody. */
const GUARDED = /^(?:admin\/v1|v1\/organization)(?:\/|$)/;

/** Sees to it that no route of the control plane has been forgotten. */
@Injectable()
export class RoutePermissions implements OnModuleInit {
  constructor(
    private readonly discovery: DiscoveryService,
    private readonly scanner: MetadataScanner,
    private readonly reflector: Reflector,
  ) {}

  /** @throws Error that names a route without a permission: the gateway does not start */
  onModuleInit(): void {
    for (const { instance, metatype } of this.discovery.getControllers()) {
      const paths = [this.reflector.get<string | string[]>(PATH_METADATA, metatype as () => void)].flat();
      if (!paths.some((path) => GUARDED.test(path ?? ''))) continue;
      const prototype = Object.getPrototypeOf(instance) as Record<string, () => void>;
      for (const name of this.scanner.getAllMethodNames(prototype)) {
        const handler = prototype[name] as () => void;
        if (Reflect.getMetadata(PATH_METADATA, handler) === undefined) continue;
        if (this.reflector.get(PERMISSION_METADATA, handler) === undefined) {
          throw new Error(`${(metatype as () => void).name}.${name} asks for no permission: say which by @Permit`);
        }
      }
    }
  }
}
