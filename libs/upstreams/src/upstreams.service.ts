import { Injectable } from '@nestjs/common';
import { AuditLog, ChangeFeed, PrismaService, type Prisma, type Transaction } from '@app/database';
import { newId } from '@app/runtime';
import { UpstreamCredentials } from './upstream-credentials.js';
import type { UpstreamKind } from './upstream.js';

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
}

/** Makes and changes upstreams. Every write is audited, and in force in this process when its promise resolves. */
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

  async create(actor: string, { credential, ...data }: UpstreamInput): Promise<UpstreamRow> {
    const id = newId();
    const upstream = await this.prisma.$transaction(async (tx) => {
      const created = await tx.upstream.create({ data: { id, ...data, ...this.sealed(id, credential) } });
      await this.record(tx, actor, 'upstream.create', null, created);
      return created;
    });
    await this.feed.refresh();
    return upstream;
  }

  /**
   * null when there is no such upstream. A change of host without a credential clears the stored one: else whoever may
   * edit could have the secret sent to himself.
   */
  async update(
    actor: string,
    id: string,
    { credential, ...data }: Partial<UpstreamInput>,
  ): Promise<UpstreamRow | null> {
    const upstream = await this.prisma.$transaction(async (tx) => {
      const before = await tx.upstream.findUnique({ where: { id } });
      if (!before) return null;
      const isMoved = data.baseUrl !== undefined && new URL(data.baseUrl).origin !== new URL(before.baseUrl).origin;
      const secret = credential === undefined && isMoved && !before.demo ? null : credential;
      const after = await tx.upstream.update({
        where: { id },
        data: { ...data, ...(secret === undefined ? {} : this.sealed(id, secret)) },
      });
      await this.record(tx, actor, 'upstream.update', before, after);
      return after;
    });
    await this.feed.refresh();
    return upstream;
  }

  /** 'in_use' when models name it: without it they would be served by every upstream. */
  async remove(actor: string, id: string): Promise<'removed' | 'not_found' | 'in_use'> {
    const result = await this.prisma.$transaction(async (tx) => {
      const before = await tx.upstream.findUnique({ where: { id }, include: { models: true } });
      if (!before) return 'not_found';
      if (before.models.length > 0) return 'in_use';
      await tx.upstream.delete({ where: { id } });
      await this.record(tx, actor, 'upstream.delete', before, null);
      return 'removed';
    });
    await this.feed.refresh();
    return result;
  }

  private sealed(id: string, credential: string | null) {
    return credential === null
      ? { credentialSealed: null, credentialFingerprint: null }
      : {
          credentialSealed: this.credentials.seal(id, credential),
          credentialFingerprint: UpstreamCredentials.fingerprint(credential),
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
      before: before && withoutCredential(before),
      after: after && withoutCredential(after),
    });
  }
}

function withoutCredential({ credentialSealed: _credentialSealed, ...rest }: UpstreamRow): object {
  return rest;
}
