import { Injectable } from '@nestjs/common';
import { Alerts } from '@app/alerts';
import { UnpricedModels } from '@app/models';

/** Tells operators of models that are used and have no price: each once a day. */
@Injectable()
export class UnpricedAlerts {
  constructor(alerts: Alerts, unpriced: UnpricedModels) {
    unpriced.onUse(({ model, atMs }) => {
      const day = new Date(atMs).toISOString().slice(0, 10);
      alerts.raise({
        type: 'model.unpriced',
        severity: 'warning',
        objectType: 'model',
        objectId: null,
        dedupeKey: `model.unpriced:${model}:${day}`,
        message: `The model ${model} is used and has no price: give it one, or say in its groups what becomes of such models.`,
        data: { model },
      });
    });
  }
}
