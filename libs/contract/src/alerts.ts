import { z } from 'zod';
import { pageOf, PageQuery } from './page.js';

/** Everything that operators are told of without asking. docs/alerts.md lists them and is checked against this. */
export const ALERT_TYPES = [
  'group.limit.soft_threshold',
  'group.limit.reached',
  'key.limit.soft_threshold',
  'key.limit.reached',
  'upstream.down',
  'upstream.recovered',
  'model.unpriced',
  'cache.dropped',
  'webhook.test',
] as const;
export type AlertType = (typeof ALERT_TYPES)[number];

const SEVERITIES = ['info', 'warning', 'critical'] as const;
export type AlertSeverity = (typeof SEVERITIES)[number];

export const ListAlertsQuery = PageQuery.extend({
  type: z.enum(ALERT_TYPES, { error: `must be one of ${ALERT_TYPES.join(', ')}` }).optional(),
});
export type ListAlertsQuery = z.infer<typeof ListAlertsQuery>;

export const Alert = z
  .object({
    id: z.string(),
    type: z.string(),
    severity: z.enum(SEVERITIES),
    object_type: z
      .string()
      .nullable()
      .meta({ description: 'What it is about: key, group, model, upstream or webhook' }),
    object_id: z.string().nullable(),
    message: z.string(),
    data: z.record(z.string(), z.json()).meta({ description: 'By type; see docs/alerts.md' }),
    created_at: z.string(),
    resolved_at: z.string().nullable().meta({ description: 'When what it tells of was over' }),
  })
  .meta({ id: 'Alert' });
export type Alert = z.infer<typeof Alert>;

export const AlertList = pageOf(Alert).meta({ id: 'AlertList' });
