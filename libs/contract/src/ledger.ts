import { z } from 'zod';
import { text, Timestamp } from './fields.js';
import { fromPublicId } from './ids.js';
import { pageOf, PageQuery } from './page.js';

const ENTERED = ['top_up', 'correction'] as const;
const KINDS = [...ENTERED, 'usage', 'repricing', 'closing'] as const;

/** The key or the group whose balance it is. */
export interface BalanceOwner {
  readonly kind: 'key' | 'group';
  readonly id: string;
}

function ownerOf(publicId: string): BalanceOwner | null {
  for (const kind of ['key', 'group'] as const) {
    const id = fromPublicId(kind, publicId);
    if (id !== null) return { kind, id };
  }
  return null;
}

/** Schema of an incoming id of a key or a group. */
export const balanceOwner = z
  .string()
  .refine((id) => ownerOf(id) !== null, { error: 'must be the id of a key or a group, such as key_0193… or grp_0193…' })
  .transform((id) => ownerOf(id) as BalanceOwner)
  .meta({ description: 'Id of a key or of a group' });

export const AddLedgerEntry = z
  .strictObject({
    kind: z.enum(ENTERED, { error: `must be one of ${ENTERED.join(', ')}` }).meta({
      description: 'The first top_up opens the balance: from then on calls need something that is left of it',
    }),
    amount_usd: z
      .string()
      .regex(/^-?\d{1,6}(\.\d{1,9})?$/, 'must be a decimal string in USD, such as "20.00"')
      .refine((amount) => Number(amount) !== 0, { error: 'must not be nothing' })
      .meta({ description: 'Decimal string in USD; that of a correction may be negative', examples: ['20.00'] }),
    reason: text().max(500).default('').meta({ description: 'For people' }),
    reference: text().min(1).max(128).nullable().default(null).meta({
      description: 'Your own, such as the number of an invoice; a second entry with the same one is refused',
    }),
  })
  .refine(({ kind, amount_usd: amount }) => kind === 'correction' || !amount.startsWith('-'), {
    path: ['amount_usd'],
    error: 'must be more than nothing; a correction can take back',
  })
  .meta({ id: 'AddLedgerEntry' });
export type AddLedgerEntry = z.infer<typeof AddLedgerEntry>;

export const Balance = z
  .object({
    owner_id: z.string(),
    owner_kind: z.enum(['key', 'group']),
    owner_name: z.string().nullable().meta({ description: 'null: it is deleted' }),
    balance_usd: z.string().meta({ description: 'What is left: credited_usd less spent_usd' }),
    credited_usd: z.string().meta({ description: 'Top-ups and corrections' }),
    spent_usd: z
      .string()
      .meta({ description: 'What requests cost that began since it was opened, as the log has them' }),
    opened_at: z.string(),
  })
  .meta({ id: 'Balance' });
export type Balance = z.infer<typeof Balance>;

export const BalanceList = pageOf(Balance).meta({ id: 'BalanceList' });

export const ListLedgerEntriesQuery = PageQuery.extend({
  kind: z.enum(KINDS, { error: `must be one of ${KINDS.join(', ')}` }).optional(),
  from: Timestamp.optional().meta({ description: 'Entered at or after' }),
  to: Timestamp.optional().meta({ description: 'Entered before' }),
});
export type ListLedgerEntriesQuery = z.infer<typeof ListLedgerEntriesQuery>;

export const LedgerEntry = z
  .object({
    id: z.string(),
    owner_id: z.string(),
    kind: z.enum(KINDS).meta({
      description:
        'usage: what the rows of one batch of the log cost; repricing: by how much costs of the past have changed; closing: what was left',
    }),
    amount_usd: z.string().meta({ description: 'Negative: the balance became less' }),
    balance_usd: z.string().meta({ description: 'After it' }),
    requests: z.int().nullable().meta({ description: 'Of usage and repricing: how many' }),
    reason: z.string(),
    reference: z.string().nullable(),
    actor: z.string().nullable().meta({ description: 'null: the gateway' }),
    created_at: z.string(),
  })
  .meta({ id: 'LedgerEntry' });
export type LedgerEntry = z.infer<typeof LedgerEntry>;

export const LedgerEntryList = pageOf(LedgerEntry).meta({ id: 'LedgerEntryList' });
