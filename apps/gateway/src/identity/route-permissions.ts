import { Injectable, type OnModuleInit, RequestMethod } from '@nestjs/common';
import { METHOD_METADATA, PATH_METADATA } from '@nestjs/common/constants.js';
import { DiscoveryService, MetadataScanner, Reflector } from '@nestjs/core';
import { OPEN_ROUTES } from './open-routes.js';
import { OPEN_METADATA, PERMISSION_METADATA } from './permissions.js';

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
    const open = new Set(OPEN_ROUTES);
    for (const { path, handler, name } of this.guardedRoutes()) {
      const method = RequestMethod[this.reflector.get<number>(METHOD_METADATA, handler)] ?? '';
      const isOpen = this.reflector.get<boolean | undefined>(OPEN_METADATA, handler) === true;
      if (open.delete(`${method} ${path}`) !== isOpen)
        throw new Error(`${name} is not in OPEN_ROUTES, or is not @Open`);
      if (!isOpen && this.reflector.get(PERMISSION_METADATA, handler) === undefined) {
        throw new Error(`${name} asks for no permission: say which by @Permit`);
      }
    }
    if (open.size > 0) throw new Error(`there is no route ${[...open].join(', ')}`);
  }

  private *guardedRoutes(): Iterable<{ path: string; handler: () => void; name: string }> {
    for (const { instance, metatype } of this.discovery.getControllers()) {
      const controller = metatype as () => void;
      const [base] = [this.reflector.get<string | string[]>(PATH_METADATA, controller)].flat();
      if (base === undefined || !GUARDED.test(base)) continue;
      const prototype = Object.getPrototypeOf(instance) as Record<string, () => void>;
      for (const name of this.scanner.getAllMethodNames(prototype)) {
        const handler = prototype[name] as () => void;
        const path = Reflect.getMetadata(PATH_METADATA, handler) as string | undefined;
        if (path === undefined) continue;
        yield { path: `/${base}/${path}`.replace(/\/+$/, ''), handler, name: `${controller.name}.${name}` };
      }
    }
  }
}
