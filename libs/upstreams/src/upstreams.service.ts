import { Injectable } from '@nestjs/common';
import {
  AuditLog,
  ChangeFeed,
  lockRow,
  PrismaService,
  type Prisma,
  runWrite,
  type SeenVersions,
  type Transaction,
} from '@app/database';
import { newId } from '@app/runtime';
import { UpstreamCredentials } from './upstream-credentials.js';
import type { CompactionMode, StreamMode, UpstreamKind } from './upstream.js';

/** An upstream as stored; its credential is only there sealed. */
export type UpstreamRow = Prisma.UpstreamGetPayload<object>;

export interface UpstreamInput {
  name: string;
  kind: UpstreamKind;
  /** Already normalised. */
  baseUrl: string;
  /** null: calls go out without authorization. */
  credential: string | null;
  priority: number;
  weight: number;
  enabled: boolean;
  demo?: boolean;
  maxConcurrency?: number | null;
  streamMode?: StreamMode;
  /** Sealed like the credential. */
  extraHeaders?: Readonly<Record<string, string>>;
  parameterOverrides?: Prisma.InputJsonObject;
  connectTimeoutMs?: number | null;
  headersTimeoutMs?: number | null;
  idleTimeoutMs?: number | null;
  totalTimeoutMs?: number | null;
  /** Sealed: it may hold a password. */
  httpProxy?: string | null;
  coolDownSecondsMax?: number;
  probeIntervalSeconds?: number | null;
  compaction?: CompactionMode;
  managedBy?: 'config';
}

/** undefined in each: as it is. */
interface UpstreamSecrets {
  credential: string | null | undefined;
  extraHeaders: Readonly<Record<string, string>> | undefined;
  httpProxy: string | null | undefined;
}

/**
 * Makes and changes upstreams. Every write is audited, and in force in this process when its promise resolves. One that is based on
 * another version than the upstream has throws StaleVersionError.
 */
@Injectable()
export class UpstreamsService {
  constructor(
    private readonly prisma: PrismaService,
    private readonly credentials: UpstreamCredentials,
    private readonly audit: AuditLog,
    private readonly feed: ChangeFeed,
  ) {}

  /** Newest first; `beforeId` is the last id of the page before. */
  list(page: { limit: number; beforeId: string | null }): Promise<UpstreamRow[]> {
    return this.prisma.upstream.findMany({
      where: page.beforeId ? { id: { lt: page.beforeId } } : {},
      orderBy: { id: 'desc' },
      take: page.limit,
    });
  }

  find(id: string): Promise<UpstreamRow | null> {
    return this.prisma.upstream.findUnique({ where: { id } });
  }

  async create(
    actor: string,
    { credential, extraHeaders, httpProxy, ...data }: UpstreamInput,
    within: Transaction | null = null,
  ): Promise<UpstreamRow> {
    const id = newId();
    const secrets = { credential, extraHeaders, httpProxy };
    return runWrite(this.prisma, this.feed, within, async (tx) => {
      const created = await tx.upstream.create({ data: { id, ...data, ...this.sealed(id, secrets) } });
      await this.record(tx, actor, 'upstream.create', null, created);
      return created;
    });
  }

  /**
   * null when there is no such upstream. A change of scheme, host or port without a credential clears the stored one, and
   * the extra headers: else whoever may edit could have the secrets sent to himself. So does another proxy, where it would
   * see them.
   */
  async update(
    actor: string,
    id: string,
    { credential, extraHeaders, httpProxy, ...data }: Partial<UpstreamInput>,
    seen: SeenVersions = null,
    within: Transaction | null = null,
  ): Promise<UpstreamRow | null> {
    return runWrite(this.prisma, this.feed, within, async (tx) => {
      await lockRow(tx, 'upstreams', id, seen);
      const before = await tx.upstream.findUnique({ where: { id } });
      if (!before) return null;
      const isCleared = isMoved(before, data.baseUrl, httpProxy) && !before.demo;
      const secrets = {
        credential: credential === undefined && isCleared ? null : credential,
        extraHeaders: extraHeaders === undefined && isCleared ? {} : extraHeaders,
        httpProxy,
      };
      const after = await tx.upstream.update({ where: { id }, data: { ...data, ...this.sealed(id, secrets) } });
      await this.record(tx, actor, 'upstream.update', before, after);
      return after;
    });
  }

  /** Takes an upstream out of use, or back into it with a clean record, on all replicas. null when there is none. */
  async setTripped(
    actor: string,
    id: string,
    isTripped: boolean,
    seen: SeenVersions = null,
  ): Promise<UpstreamRow | null> {
    const upstream = await this.prisma.$transaction(async (tx) => {
      await lockRow(tx, 'upstreams', id, seen);
      const before = await tx.upstream.findUnique({ where: { id } });
      if (!before) return null;
      const now = new Date();
      const after = await tx.upstream.update({
        where: { id },
        data: isTripped ? { trippedAt: now } : { trippedAt: null, resetAt: now },
      });
      await this.record(tx, actor, isTripped ? 'upstream.trip' : 'upstream.reset', before, after);
      return after;
    });
    await this.feed.refresh();
    return upstream;
  }

  /** Its credential was used to ask it something. */
  noteTest(actor: string, id: string, isOk: boolean): Promise<void> {
    const write = { actor, action: 'upstream.test', objectType: 'upstream', objectId: id };
    return this.audit.note({ ...write, after: { ok: isOk } });
  }

  /** 'in_use' when models name it: without it they would be served by every upstream. */
  async remove(
    actor: string,
    id: string,
    seen: SeenVersions = null,
    within: Transaction | null = null,
  ): Promise<'removed' | 'not_found' | 'in_use'> {
    return runWrite(this.prisma, this.feed, within, async (tx) => {
      await lockRow(tx, 'upstreams', id, seen, 'DELETE');
      const before = await tx.upstream.findUnique({ where: { id } });
      if (!before) return 'not_found';
      if ((await tx.modelUpstream.count({ where: { upstreamId: id } })) > 0) return 'in_use';
      await tx.upstream.delete({ where: { id } });
      await this.record(tx, actor, 'upstream.delete', before, null);
      return 'removed';
    });
  }

  /** Only what is given is written. */
  private sealed(id: string, { credential, extraHeaders, httpProxy }: UpstreamSecrets) {
    const names = Object.keys(extraHeaders ?? {});
    return {
      ...(credential === undefined
        ? {}
        : {
            credentialSealed: credential === null ? null : this.credentials.seal(id, credential),
            credentialFingerprint: credential === null ? null : UpstreamCredentials.fingerprint(credential),
          }),
      ...(extraHeaders === undefined
        ? {}
        : {
            extraHeadersSealed: names.length === 0 ? null : this.credentials.seal(id, JSON.stringify(extraHeaders)),
            extraHeaderNames: names,
          }),
      ...(httpProxy === undefined
        ? {}
        : { httpProxySealed: httpProxy === null ? null : this.credentials.seal(id, httpProxy) }),
    };
  }

  private record(
    tx: Transaction,
    actor: string,
    action: string,
    before: UpstreamRow | null,
    after: UpstreamRow | null,
  ): Promise<void> {
    const objectId = (before ?? after)?.id ?? '';
    return this.audit.record(tx, {
      actor,
      action,
      objectType: 'upstream',
      objectId,
      before: before && withoutSecrets(before),
      after: after && withoutSecrets(after),
    });
  }
}

/** Whether the upstream's secrets would go to somebody else from now on. */
function isMoved(before: UpstreamRow, baseUrl = before.baseUrl, httpProxy?: string | null): boolean {
  if (originOf(baseUrl) !== originOf(before.baseUrl)) return true;
  // Through TLS a proxy sees nothing.
  return httpProxy !== undefined && baseUrl.startsWith('http:');
}

/** null for what is no URL, as only somebody with SQL can have stored it. */
function originOf(baseUrl: string): string | null {
  return URL.canParse(baseUrl) ? new URL(baseUrl).origin : null;
}

function withoutSecrets({
  credentialSealed: _credentialSealed,
  extraHeadersSealed: _extraHeadersSealed,
  httpProxySealed,
  ...rest
}: UpstreamRow): object {
  return { ...rest, hasHttpProxy: httpProxySealed !== null };
}
