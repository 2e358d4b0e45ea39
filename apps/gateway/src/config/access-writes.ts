import { Injectable } from '@nestjs/common';
import { type ConfigKey, type CreateGroup, KEEP, toPublicId } from '@app/contract';
import type { Transaction } from '@app/database';
import { GroupsService } from '@app/groups';
import { KeysService } from '@app/keys';
import { toGroupInput } from '../admin/group-fields.js';
import { toKeyInput } from '../admin/key-fields.js';
import { AdminProblem } from '../http/admin-problem.js';
import { changedNames, type PlannedStep } from './config-plan.js';
import { type IssuedSecret, MANAGED, OVERLAP_SECONDS, type WriteContext } from './write-context.js';

/** Takes the steps that are about groups and keys. */
@Injectable()
export class AccessWrites {
  constructor(
    private readonly groups: GroupsService,
    private readonly keys: KeysService,
  ) {}

  async writeGroup({ present }: PlannedStep, wanted: CreateGroup, { actor, tx }: WriteContext): Promise<void> {
    const input = { ...toGroupInput(wanted), ...MANAGED };
    if (present) await this.groups.update(actor, present.id, input, null, tx);
    else await this.groups.create(actor, input, tx);
  }

  async removeGroup({ name, present }: PlannedStep, { actor, tx }: WriteContext): Promise<void> {
    const result = await this.groups.remove(actor, present?.id ?? '', null, tx);
    if (result !== 'in_use') return;
    throw AdminProblem.conflict(`The group ${name} has keys. Move them to another group or delete them.`, 'groups');
  }

  /** @returns the secret, where it was made here */
  async writeKey(step: PlannedStep, wanted: ConfigKey, { actor, tx }: WriteContext): Promise<IssuedSecret | null> {
    const { secret: _secret, group, ...rest } = wanted;
    const secret = wanted.secret === KEEP ? undefined : wanted.secret;
    const input = { ...toKeyInput({ ...rest, group_id: await groupIdOf(tx, group) }), ...MANAGED };
    if (!step.present) {
      const issued = await this.keys.issue(actor, input, secret, tx);
      if (!issued) throw AdminProblem.notFound(`group: ${group} was deleted meanwhile`);
      if (secret !== undefined) return null;
      return { kind: 'key', id: toPublicId('key', issued.key.id), name: wanted.name, secret: issued.secret };
    }
    const changed = changedNames(step);
    if (changed.some((name) => name !== 'secret')) await this.keys.update(actor, step.present.id, input, null, tx);
    if (secret !== undefined && changed.includes('secret')) {
      const rotated = await this.keys.rotate(
        actor,
        step.present.id,
        { overlapSeconds: OVERLAP_SECONDS, secret },
        null,
        tx,
      );
      if (typeof rotated === 'string') {
        throw AdminProblem.conflict(
          `The key ${wanted.name} is revoked: it takes no other secret.`,
          `${step.at}.secret`,
        );
      }
    }
    return null;
  }

  async removeKey({ present }: PlannedStep, { actor, tx }: WriteContext): Promise<void> {
    await this.keys.remove(actor, present?.id ?? '', null, tx);
  }
}

async function groupIdOf(tx: Transaction, name: string): Promise<string> {
  return (await tx.group.findUniqueOrThrow({ where: { name } })).id;
}
