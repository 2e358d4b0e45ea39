import { z } from 'zod';

/** Every failure of the admin API (RFC 9457, application/problem+json). */
export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string().meta({ description: 'A sentence that says what to do' }),
    code: z.string().meta({ description: 'Stable, for programs' }),
    request_id: z.string(),
    errors: z
      .array(z.object({ path: z.string().meta({ description: 'The field at fault' }), message: z.string() }))
      .optional(),
  })
  .meta({ id: 'Problem' });
export type Problem = z.infer<typeof Problem>;
