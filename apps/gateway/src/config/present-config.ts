import { Injectable } from '@nestjs/common';
import { CompactionSettings } from '@app/compaction';
import type { ConfigList } from '@app/contract';
import { type PrismaService, type Transaction } from '@app/database';
import { Clock } from '@app/runtime';
import { StorageSettings } from '@app/storage';
import { UpstreamCredentials, type UpstreamRow } from '@app/upstreams';
import { toGroup } from '../admin/group-fields.js';
import { toKey } from '../admin/key-fields.js';
import { shownPrices } from '../admin/price-fields.js';
import { shownOptions } from '../admin/setting-fields.js';
import { shownUpstreamFields } from '../admin/upstream-fields.js';
import { toWebhook } from '../admin/webhooks.controller.js';
import { sortedNames } from './canonical.js';
import { type Fields, fieldsOf, fingerprintOf, markOf } from './fields.js';

/** An object that is there. */
export interface PresentObject {
  readonly id: string;
  readonly name: string;
  readonly isManaged: boolean;
  /** false: it has been revoked, or is the bundled simulator; no export has it. */
  readonly isExported: boolean;
  readonly fields: Fields;
}

/** All that a file could say, by list. */
export type Present = Readonly<Record<ConfigList, readonly PresentObject[]>> & {
  readonly settings: Fields;
  /** When this was so, by the clock that prices count by. */
  readonly atMs: number;
};

const NEWEST_FIRST = [{ effectiveFrom: 'desc' }, { id: 'desc' }] as const;

/** Reads what is there in the words of the file. */
@Injectable()
export class PresentConfig {
  constructor(
    private readonly credentials: UpstreamCredentials,
    private readonly compaction: CompactionSettings,
    private readonly storage: StorageSettings,
    private readonly clock: Clock,
  ) {}

  async read(db: PrismaService | Transaction): Promise<Present> {
    const atMs = this.clock.now();
    return {
      atMs,
      upstreams: (await db.upstream.findMany()).map((row) => ({
        ...placed(row, !row.demo),
        fields: fieldsOf('upstreams', { ...shownUpstreamFields(row), ...this.secretsOf(row) }),
      })),
      models: await this.models(db, atMs),
      groups: await this.groups(db),
      keys: await this.keys(db, atMs),
      webhooks: (await db.webhook.findMany()).map((row) => ({
        ...placed(row, true),
        fields: fieldsOf('webhooks', { ...toWebhook(row), secret: markOf(row.secretFingerprint) }),
      })),
      settings: shownOptions(await this.compaction.read(db), await this.storage.read(db)),
    };
  }

  private async models(db: PrismaService | Transaction, nowMs: number): Promise<PresentObject[]> {
    const rows = await db.model.findMany({
      include: { upstreams: { include: { upstream: true } }, prices: { orderBy: [...NEWEST_FIRST] } },
    });
    return rows.map((row) => ({
      ...placed(row, true),
      fields: fieldsOf('models', {
        name: row.name,
        aliases: row.aliases,
        upstreams: row.upstreams
          .map(({ upstream: { name }, upstreamModel }) => ({ upstream: name, upstream_model: upstreamModel }))
          .toSorted((a, b) => (a.upstream < b.upstream ? -1 : 1)),
        context_window_tokens: row.contextWindowTokens,
        prices: shownPrices(row.prices.find(({ effectiveFrom }) => effectiveFrom.getTime() <= nowMs)),
        price_versions: versionsOf(row.prices),
      }),
    }));
  }

  private async groups(db: PrismaService | Transaction): Promise<PresentObject[]> {
    const rows = await db.group.findMany({ include: { models: true, _count: { select: { keys: true } } } });
    return rows.map((row) => {
      const group = toGroup(row);
      return {
        ...placed(row, true),
        fields: fieldsOf('groups', { ...group, models: sortedNames(group.models) }),
      };
    });
  }

  /** Of keys that have the same name, those that work come first. */
  private async keys(db: PrismaService | Transaction, nowMs: number): Promise<PresentObject[]> {
    const rows = await db.apiKey.findMany({ include: { group: true }, orderBy: { id: 'asc' } });
    return rows
      .toSorted((a, b) => Number(a.revokedAt !== null) - Number(b.revokedAt !== null))
      .map((row) => ({
        ...placed(row, row.revokedAt === null),
        fields: fieldsOf('keys', {
          ...toKey(row, nowMs),
          group: row.group.name,
          secret: markOf(Buffer.from(row.secretHash).toString('hex').slice(0, 8)),
        }),
      }));
  }

  private secretsOf({ id, credentialFingerprint, extraHeaderNames, extraHeadersSealed, httpProxySealed }: UpstreamRow) {
    const headers = JSON.parse((extraHeadersSealed && this.opened(id, extraHeadersSealed)) ?? '{}') as object;
    const values = new Map(Object.entries(headers as Record<string, string>));
    return {
      credential: credentialFingerprint && markOf(credentialFingerprint),
      extra_headers: Object.fromEntries(
        extraHeaderNames.toSorted().map((name) => [name, markedOr(UNKNOWN, values.get(name))]),
      ),
      http_proxy: httpProxySealed && markedProxy(this.opened(id, httpProxySealed)),
    };
  }

  /** null when it was sealed under another MASTER_KEY. */
  private opened(id: string, sealed: Uint8Array): string | null {
    try {
      return this.credentials.open(id, sealed);
    } catch {
      return null;
    }
  }
}

const UNKNOWN = markOf('?');

function markedOr(unknown: string, secret: string | undefined): string {
  return secret === undefined ? unknown : fingerprintOf(secret);
}

/** A proxy as it is shown: whole, unless it holds a password. */
export function markedProxy(url: string | null): string {
  if (url === null) return UNKNOWN;
  return URL.canParse(url) && new URL(url).password === '' ? url : fingerprintOf(url);
}

/** By their time; of those with the same time the one that counts. */
function versionsOf(rows: readonly Parameters<typeof shownPrices>[0][]): object[] {
  const byTime = new Map<string, object>();
  for (const row of rows) {
    const from = row?.effectiveFrom.toISOString() ?? '';
    const prices = shownPrices(row);
    if (prices && !byTime.has(from)) byTime.set(from, { effective_from: from, ...prices });
  }
  return [...byTime.entries()].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, version]) => version);
}

function placed({ id, name, managedBy }: { id: string; name: string; managedBy: string | null }, isExported: boolean) {
  return { id, name, isManaged: managedBy === 'config', isExported };
}
