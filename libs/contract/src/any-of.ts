import { z } from 'zod';

const VALUES_MAX = 50;

type Value = z.ZodType<string, string>;

/** A filter that may be given more than once: any of its values will do. An error names the parameter, not its position. */
export function anyOf(value: Value, description: string, takesEmpty = false) {
  return z
    .preprocess((given) => (Array.isArray(given) ? given : [given]), z.array(z.string()).max(VALUES_MAX))
    .transform((values, context) =>
      values.map((each) => {
        if (takesEmpty && each === '') return each;
        const { data, error } = value.safeParse(each);
        if (error) context.addIssue({ code: 'custom', message: error.issues[0]?.message ?? 'is not valid' });
        return data ?? '';
      }),
    )
    .optional()
    .meta({ description, items: z.toJSONSchema(value, { io: 'input', target: 'openapi-3.0' }) });
}

/** The same for what a request may lack: an empty value stands for that. */
export function anyOrNone(value: Value, description: string) {
  return anyOf(value, `${description}; empty: none`, true);
}
