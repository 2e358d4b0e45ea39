import { Injectable } from '@nestjs/common';
import type { Permission } from '@app/contract';
import type { PrincipalRequest } from './principal.js';
import { Principals } from './principals.js';

const ASK_EVERY_MS = 2_000;

/** Sees to it that an answer that goes on for long ends with the right to have it, on whichever replica that was withdrawn. */
@Injectable()
export class LastingAccess {
  constructor(private readonly principals: Principals) {}

  /**
   * Asks every two seconds anew who has sent the request, until it is told to stop. While the database is away nobody can be asked
   * for, and the answer goes on.
   *
   * @param end called once: he is gone, or may see less or something else than when he asked
   * @returns what stops it
   */
  watch(request: PrincipalRequest, permission: Permission, end: () => void): () => void {
    let isStopped = false;
    let timer: NodeJS.Timeout;
    const ask = async () => {
      const lasts = await this.lasts(request, permission).catch(() => true);
      if (isStopped) return;
      if (lasts) timer = setTimeout(() => void ask(), ASK_EVERY_MS).unref();
      else end();
    };
    timer = setTimeout(() => void ask(), ASK_EVERY_MS).unref();
    return () => {
      isStopped = true;
      clearTimeout(timer);
    };
  }

  private async lasts(request: PrincipalRequest, permission: Permission): Promise<boolean> {
    const now = await this.principals.of(request);
    if (!now?.permissions.has(permission)) return false;
    const before = request.principal?.keyIds ?? null;
    return before === null ? now.keyIds === null : isSame(before, now.keyIds);
  }
}

function isSame(before: readonly string[], now: readonly string[] | null): boolean {
  return now?.length === before.length && before.every((id) => now.includes(id));
}
