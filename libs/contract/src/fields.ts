import { z } from 'zod';

/** Text that PostgreSQL can hold: no NUL, no half of a surrogate pair. */
export function text(): z.ZodString {
  return z.string().refine((value) => !value.includes('\0') && value.isWellFormed(), {
    error: 'must be text without NUL characters',
  });
}

/** JSON that PostgreSQL can hold, by the same rule at any depth. */
export function storableJson() {
  return z.json().refine(isStorable, { error: 'must be JSON without NUL characters' });
}

function isStorable(value: unknown): boolean {
  if (typeof value === 'string') return !value.includes('\0') && value.isWellFormed();
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([name, part]) => isStorable(name) && isStorable(part));
}

/** A name that people give to things. */
export const Name = text().trim().min(1, 'must not be empty').max(100);

/** A model name as clients send it. */
export const ModelName = text()
  .min(1, 'must not be empty')
  .max(256)
  .regex(/^[^\s*]+$/, 'must not contain white space or *');

/** A model name or a pattern in which * stands for any characters. */
export const ModelPattern = text()
  .min(1, 'must not be empty')
  .max(256)
  .regex(/^\S+$/, 'must not contain white space')
  .meta({ description: 'A model name, or a pattern in which * stands for any characters' });

/** Money: a decimal string in USD, exact to a nano-dollar. */
export const Usd = z
  .string()
  .regex(/^\d{1,6}(\.\d{1,9})?$/, 'must be a decimal string in USD, such as "1.25"')
  .meta({ description: 'Decimal string in USD', examples: ['1.25'] });

/** What a cost is multiplied by: a decimal string of 0 … 1000. */
export const PriceMultiplier = z
  .string()
  .regex(/^(?:\d{1,3}(?:\.\d{1,4})?|1000(?:\.0{1,4})?)$/, 'must be a decimal string of 0 … 1000, such as "1.25"')
  .meta({ description: 'Every cost of the group is multiplied by it', examples: ['1.25'] });

/** A point in time, RFC 3339. */
export const Timestamp = z.iso
  .datetime({ offset: true, error: 'must be an RFC 3339 time, such as 2026-11-23T12:00:00Z' })
  .refine((time) => new Date(time).getUTCFullYear() > 0, { error: 'must be in year 1 or later' });

/** What looks after an object, beside the people who use the admin API. */
export const ManagedBy = z
  .enum(['config'])
  .nullable()
  .meta({ description: 'config: a configuration file made or changed it; null: none did' });
