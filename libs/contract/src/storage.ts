import { z } from 'zod';

const bytes = z.int();

const TableStorage = z
  .object({
    name: z.string().meta({ description: 'As the database calls it' }),
    bytes: bytes.meta({ description: 'With its indexes' }),
    bytes_per_day: bytes.meta({
      description:
        'What came in a day, on average of the last seven days (of tables by month, since the last one began)',
    }),
    kept_days: z.int().nullable().meta({ description: 'By the settings; null: for ever' }),
  })
  .meta({ id: 'TableStorage' });

export const Storage = z
  .object({
    database_bytes: bytes,
    journal_bytes: bytes.meta({ description: 'The journal of the gateway that answers' }),
    bytes_per_day: bytes.meta({ description: 'What comes in a day, before anything is dropped' }),
    disk_budget_bytes: bytes.nullable().meta({ description: 'From the settings; null: nobody has said' }),
    days_until_disk_budget: z.int().nullable().meta({
      description:
        'When all goes on as it is, with what retention will drop; null: not within ten years, or there is no budget',
    }),
    tables: z.array(TableStorage).meta({ description: 'Those that grow' }),
  })
  .meta({ id: 'Storage' });
export type Storage = z.infer<typeof Storage>;
