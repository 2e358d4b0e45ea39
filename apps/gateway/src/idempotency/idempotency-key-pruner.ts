import { Injectable } from '@nestjs/common';
import { HourlyPruner } from '@app/runtime';
import { IdempotencyKeys } from './idempotency-keys.js';

/** Removes kept answers that are older than a day. */
@Injectable()
export class IdempotencyKeyPruner extends HourlyPruner {
  constructor(private readonly keys: IdempotencyKeys) {
    super('old idempotency keys');
  }

  protected override async removeOld(): Promise<void> {
    while ((await this.keys.deleteOld()) && !this.isStopping);
  }
}
