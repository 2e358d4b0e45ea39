import { Injectable } from '@nestjs/common';
import type { BodyAbsence } from '@app/bodies';
import { BodyPolicy } from '@app/contract';
import { GroupsService } from '@app/groups';
import type { RequestRow } from '@app/journal';
import { KeysService } from '@app/keys';
import { StorageSettings } from '@app/storage';
import { AdminProblem } from '../http/admin-problem.js';

/** Says why a request has no stored body, as far as that can be known. */
@Injectable()
export class BodyAbsences {
  constructor(
    private readonly keys: KeysService,
    private readonly groups: GroupsService,
    private readonly settings: StorageSettings,
  ) {}

  async problem(absence: BodyAbsence, row: RequestRow): Promise<AdminProblem> {
    switch (absence) {
      case 'expired':
        return noBody(
          'body_expired',
          `Its time is over: bodies are kept for ${this.settings.current.requestBodiesDays} days at most.`,
        );
      case 'erased':
        return noBody('body_erased', 'It was erased: deleted, or the key of its day was dropped.');
      case 'unreadable':
        return noBody(
          'body_unreadable',
          'It is there, but does not open: it was changed, its key belongs to another MASTER_KEY, or it is in zstd, which Node reads from 22.15 on.',
        );
      case 'unknown':
        return noBody('body_not_stored', await this.reason(row));
    }
  }

  /** By the policy of today, which may have been another then. */
  private async reason({ key_id: keyId, group_id: groupId, outcome }: RequestRow): Promise<string> {
    if (keyId === null) return 'It came without a valid key, and such bodies are never stored.';
    const key = await this.keys.find(keyId);
    const group = groupId === null ? null : await this.groups.find(groupId);
    const owner = key?.bodyPolicy ? 'key' : 'group';
    const stored = key?.bodyPolicy ?? group?.bodyPolicy;
    if (!stored) return 'Its key and its group are no more.';
    const { capture, sample_percent: percent } = BodyPolicy.parse(stored);
    const policy = `The body_policy of its ${owner} has capture ${capture}`;
    const isError = outcome !== 'ok' && outcome !== 'client_left';
    if (capture === 'never') return `${policy}.`;
    if (capture === 'errors' && !isError) return `${policy}, and this request is none (${outcome}).`;
    if (capture === 'sample') return `${policy} with ${percent} %, and this request was not chosen.`;
    return `${policy}, but the policy was another then, or there was no room: see tollgate_bodies_lost_total. A new one takes a moment to arrive here.`;
  }
}

function noBody(code: string, detail: string): AdminProblem {
  return new AdminProblem(404, code, 'No stored body', detail);
}
