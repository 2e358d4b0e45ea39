import { isDeepStrictEqual } from 'node:util';
import { Injectable } from '@nestjs/common';
import type { ConfigApplied, ConfigDiff, ConfigDocument, ConfigDrift, ConfigKind, Permission } from '@app/contract';
import {
  ChangeFeed,
  isDeadlock,
  type Prisma,
  PrismaService,
  readSetting,
  type Transaction,
  writeSetting,
} from '@app/database';
import { AdminProblem } from '../http/admin-problem.js';
import { ConfigChecks } from './config-checks.js';
import { exported, type SecretsAs } from './config-export.js';
import { type PlannedStep, planOf, withKept, withoutSecrets } from './config-plan.js';
import { ConfigWrites } from './config-writes.js';
import type { Fields } from './fields.js';
import { PresentConfig } from './present-config.js';

const APPLIED_SETTING = 'applied_config';
/** A file of thousands of objects takes its time, and so may the replica that applies it first. */
const ATTEMPTS_MAX = 4;
const TRANSACTION = { timeout: 120_000, maxWait: 10_000 };

const PERMISSION_OF: Readonly<Record<ConfigKind, Permission>> = {
  upstream: 'upstreams:write',
  model: 'models:write',
  group: 'groups:write',
  key: 'keys:write',
  webhook: 'alerts:write',
  settings: 'settings:write',
};

/** The file that was applied last. */
interface AppliedConfig {
  /** With fingerprints in the place of secrets. */
  readonly document: ConfigDocument;
  readonly at: string;
  readonly by: string;
}

export interface ApplyOptions {
  readonly actor: string;
  readonly prune: boolean;
  /** What the actor may write; null: everything. */
  readonly permissions: ReadonlySet<Permission> | null;
  /** false: nobody would hear of a secret that is made, so none is. */
  readonly tellsSecrets: boolean;
}

/** What a file says and what is there: each made into the other, and compared. */
@Injectable()
export class ConfigFiles {
  constructor(
    private readonly prisma: PrismaService,
    private readonly feed: ChangeFeed,
    private readonly checks: ConfigChecks,
    private readonly present: PresentConfig,
    private readonly writes: ConfigWrites,
  ) {}

  /** @throws AdminProblem 409 when names do not tell keys apart */
  async export(secrets: SecretsAs): Promise<Fields> {
    return exported(await this.present.read(this.prisma), secrets);
  }

  /**
   * What `apply` would do.
   *
   * @throws AdminProblem 422
   */
  async diff(document: ConfigDocument, prune: boolean): Promise<ConfigDiff> {
    const wanted = await this.checks.checked(document);
    const plan = planOf(withoutSecrets(wanted), await this.present.read(this.prisma), prune);
    if (plan.problems.length > 0) throw AdminProblem.invalid(plan.problems);
    return shown(plan.steps);
  }

  /**
   * Makes everything as the document says, or changes nothing. Whoever applies at the same time waits.
   *
   * @throws AdminProblem 403, 409, 422
   */
  async apply(document: ConfigDocument, options: ApplyOptions): Promise<ConfigApplied> {
    const wanted = await this.checks.checked(document);
    const applied = await this.attempt(wanted, options, ATTEMPTS_MAX);
    await this.feed.refresh();
    return applied;
  }

  /** It changes objects in another order than people do, and gives way to them where they would wait for each other. */
  private async attempt(wanted: ConfigDocument, options: ApplyOptions, attempts: number): Promise<ConfigApplied> {
    try {
      return await this.prisma.$transaction((tx) => this.applyWithin(tx, wanted, options), TRANSACTION);
    } catch (error) {
      if (attempts > 1 && isDeadlock(error)) return this.attempt(wanted, options, attempts - 1);
      throw error;
    }
  }

  /** How what is there differs from the file that was applied last. */
  async drift(): Promise<ConfigDrift> {
    const applied = await lastApplied(this.prisma);
    if (!applied) return { applied_at: null, applied_by: null, has_changes: false, data: [] };
    const { steps } = planOf(applied.document, await this.present.read(this.prisma), false);
    const { has_changes, data } = shown(steps.filter(({ action }) => action !== 'none'));
    return { applied_at: applied.at, applied_by: applied.by, has_changes, data };
  }

  private async applyWithin(tx: Transaction, wanted: ConfigDocument, options: ApplyOptions): Promise<ConfigApplied> {
    await tx.$executeRaw`SET LOCAL statement_timeout = '60s'`;
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtext('tollgate_config'))`;
    const present = await this.present.read(tx);
    const marked = withoutSecrets(wanted);
    const { steps, problems } = planOf(marked, present, options.prune);
    const refused = [...problems, ...(options.tellsSecrets ? [] : untold(steps, wanted))];
    if (refused.length > 0) throw AdminProblem.invalid(refused);
    refuseForbidden(steps, options.permissions);
    const issued = await this.writes.take(steps, wanted, { actor: options.actor, tx, nowMs: present.atMs });
    await noteApplied(tx, withKept(marked, present), options.actor, new Date(present.atMs));
    return { ...shown(steps), issued };
  }
}

function shown(steps: readonly PlannedStep[]): ConfigDiff {
  return {
    has_changes: steps.some(({ action }) => action !== 'none'),
    data: steps.map(({ action, kind, name, changes }) => ({ action, kind, name, changes })),
  };
}

/** @throws AdminProblem 403 */
function refuseForbidden(steps: readonly PlannedStep[], permissions: ApplyOptions['permissions']): void {
  for (const { action, kind } of steps) {
    const permission = PERMISSION_OF[kind];
    if (action !== 'none' && permissions && !permissions.has(permission)) throw AdminProblem.forbidden(permission);
  }
}

function untold(steps: readonly PlannedStep[], wanted: ConfigDocument): { path: string; message: string }[] {
  return steps
    .filter(({ action, list, at }) => {
      if (action !== 'create' || (list !== 'keys' && list !== 'webhooks')) return false;
      return wanted[list][Number(at.split('.')[1])]?.secret === undefined;
    })
    .map(({ at }) => ({ path: at, message: 'must have a secret: nobody would be told one that is made at the start' }));
}

async function lastApplied(db: PrismaService | Transaction): Promise<AppliedConfig | null> {
  return ((await readSetting(db, APPLIED_SETTING)) as unknown as AppliedConfig | undefined) ?? null;
}

/** Only when it says something else: to apply a file again is no change. */
async function noteApplied(tx: Transaction, document: ConfigDocument, by: string, at: Date): Promise<void> {
  const plain = JSON.parse(JSON.stringify(document)) as ConfigDocument;
  if (isDeepStrictEqual((await lastApplied(tx))?.document, plain)) return;
  const applied: AppliedConfig = { document: plain, at: at.toISOString(), by };
  await writeSetting(tx, APPLIED_SETTING, applied as unknown as Prisma.InputJsonObject);
}
