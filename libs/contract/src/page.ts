import { z } from 'zod';

const LIMIT_MAX = 200;

/** Query of every list: newest first, `cursor` is the `next_cursor` of the page before. */
export const PageQuery = z.strictObject({
  limit: z.coerce.number().int().min(1).max(LIMIT_MAX).default(50).meta({ description: 'Rows per page' }),
  cursor: z.string().max(200).optional().meta({ description: '`next_cursor` of the page before' }),
});
export type PageQuery = z.infer<typeof PageQuery>;

/** A page of a list; `next_cursor` is null on the last one. */
export interface Page<T> {
  data: T[];
  next_cursor: string | null;
}

export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({ data: z.array(item), next_cursor: z.string().nullable() });
}
