import { Injectable } from '@nestjs/common';
import type { ConfigDocument } from '@app/contract';
import { AuditLog, Prisma } from '@app/database';
import { AdminProblem } from '../http/admin-problem.js';
import { AccessWrites } from './access-writes.js';
import type { PlannedStep } from './config-plan.js';
import { InstallationWrites } from './installation-writes.js';
import { RouteWrites } from './route-writes.js';
import type { IssuedSecret, WriteContext } from './write-context.js';

/** Takes the steps of a plan, in an order in which nothing refers to what is not there. */
@Injectable()
export class ConfigWrites {
  constructor(
    private readonly routes: RouteWrites,
    private readonly access: AccessWrites,
    private readonly installation: InstallationWrites,
    private readonly audit: AuditLog,
  ) {}

  /**
   * @param document with secrets
   * @throws AdminProblem 409 with the place in the file, for what only the database could know
   */
  take(steps: readonly PlannedStep[], document: ConfigDocument, context: WriteContext): Promise<IssuedSecret[]> {
    return this.audit.together(context.tx, () => this.takeAll(steps, document, context));
  }

  private async takeAll(
    steps: readonly PlannedStep[],
    document: ConfigDocument,
    context: WriteContext,
  ): Promise<IssuedSecret[]> {
    const issued: IssuedSecret[] = [];
    for (const step of inOrder(steps)) {
      try {
        const made =
          step.action === 'delete' ? await this.remove(step, context) : await this.write(step, document, context);
        if (made) issued.push(made);
      } catch (error) {
        throw withPlace(error, step);
      }
    }
    return issued;
  }

  private async write(
    step: PlannedStep,
    document: ConfigDocument,
    context: WriteContext,
  ): Promise<IssuedSecret | null> {
    const index = Number(step.at.split('.')[1]);
    const { routes, access, installation } = this;
    switch (step.kind) {
      case 'upstream':
        await routes.writeUpstream(step, nth(document.upstreams, index), context);
        return null;
      case 'model':
        await routes.writeModel(step, nth(document.models, index), context);
        return null;
      case 'group':
        await access.writeGroup(step, nth(document.groups, index), context);
        return null;
      case 'key':
        return access.writeKey(step, nth(document.keys, index), context);
      case 'webhook':
        return installation.writeWebhook(step, nth(document.webhooks, index), context);
      case 'settings':
        await installation.writeSettings(step, document.settings, context);
        return null;
    }
  }

  private async remove(step: PlannedStep, context: WriteContext): Promise<null> {
    const { routes, access, installation } = this;
    if (step.kind === 'upstream') await routes.removeUpstream(step, context);
    if (step.kind === 'model') await routes.removeModel(step, context);
    if (step.kind === 'group') await access.removeGroup(step, context);
    if (step.kind === 'key') await access.removeKey(step, context);
    if (step.kind === 'webhook') await installation.removeWebhook(step, context);
    return null;
  }
}

/**
 * Models go before others take their names, and those that give up aliases before those that take them; what others refer to is made
 * before them, and deleted behind them.
 */
function inOrder(steps: readonly PlannedStep[]): PlannedStep[] {
  const isModelDeletion = ({ action, kind }: PlannedStep) => action === 'delete' && kind === 'model';
  const writes = steps.filter(({ action }) => action === 'create' || action === 'update');
  const deletions = steps.filter((step) => step.action === 'delete' && !isModelDeletion(step));
  return [
    ...steps.filter(isModelDeletion),
    ...writes.toSorted((a, b) => placeOf(a) - placeOf(b)),
    ...deletions.toReversed(),
  ];
}

const KIND_ORDER = ['upstream', 'model', 'group', 'key', 'webhook', 'settings'];

function placeOf({ kind, action, changes }: PlannedStep): number {
  const losesAlias = changes.some(
    ({ path, before, after }) =>
      path === 'aliases' && Array.isArray(before) && before.some((alias) => !(after as unknown[]).includes(alias)),
  );
  return KIND_ORDER.indexOf(kind) * 3 + (action === 'create' ? 2 : losesAlias ? 0 : 1);
}

function nth<T>(objects: readonly T[], index: number): T {
  return objects[index] as T;
}

function withPlace(error: unknown, { at, kind, name }: PlannedStep): unknown {
  if (!(error instanceof Prisma.PrismaClientKnownRequestError) || error.code !== 'P2002') return error;
  const detail =
    kind === 'key' ? `The secret of the key ${name} is that of another key.` : `There is already a ${kind} ${name}.`;
  return AdminProblem.conflict(detail, at);
}
