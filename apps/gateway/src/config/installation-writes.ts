import { Injectable } from '@nestjs/common';
import { WebhooksService } from '@app/alerts';
import { CompactionSettings } from '@app/compaction';
import { type ConfigDocument, type ConfigWebhook, KEEP, toPublicId } from '@app/contract';
import { InstallationSettings } from '@app/database';
import { StorageSettings } from '@app/storage';
import { toOptions } from '../admin/setting-fields.js';
import { changedNames, type PlannedStep } from './config-plan.js';
import { type IssuedSecret, MANAGED, OVERLAP_SECONDS, type WriteContext } from './write-context.js';

/** Takes the steps that are about webhooks and settings. */
@Injectable()
export class InstallationWrites {
  constructor(
    private readonly webhooks: WebhooksService,
    private readonly settings: InstallationSettings,
    private readonly compaction: CompactionSettings,
    private readonly storage: StorageSettings,
  ) {}

  /** @returns the secret, where it was made here */
  async writeWebhook(
    step: PlannedStep,
    { secret: given, ...wanted }: ConfigWebhook,
    { actor, tx }: WriteContext,
  ): Promise<IssuedSecret | null> {
    const secret = given === KEEP ? undefined : given;
    const input = { ...wanted, ...MANAGED };
    if (!step.present) {
      const issued = await this.webhooks.create(actor, input, secret, tx);
      if (secret !== undefined) return null;
      const { id, name } = issued.webhook;
      return { kind: 'webhook', id: toPublicId('webhook', id), name, secret: issued.secret };
    }
    const changed = changedNames(step);
    if (changed.some((name) => name !== 'secret')) await this.webhooks.update(actor, step.present.id, input, null, tx);
    if (secret !== undefined && changed.includes('secret')) {
      await this.webhooks.rotate(actor, step.present.id, { overlapSeconds: OVERLAP_SECONDS, secret }, null, tx);
    }
    return null;
  }

  async removeWebhook({ present }: PlannedStep, { actor, tx }: WriteContext): Promise<void> {
    await this.webhooks.remove(actor, present?.id ?? '', null, tx);
  }

  async writeSettings(
    { changes }: PlannedStep,
    wanted: ConfigDocument['settings'],
    { actor, tx }: WriteContext,
  ): Promise<void> {
    const changed = new Set(changes.map(({ path }) => path));
    const { compaction, storage } = toOptions(
      Object.fromEntries(Object.entries(wanted).filter(([name]) => changed.has(name))),
    );
    await this.settings.change(actor, null, [this.compaction.changed(compaction), this.storage.changed(storage)], tx);
  }
}
