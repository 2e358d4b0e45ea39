import { isObject } from './json.js';

/** Whether a field's value is of the wanted shape. */
export type Check = (value: unknown) => boolean;

/** Accepts any string. */
export const isText: Check = (value) => typeof value === 'string';

/** Accepts true and false. */
export const isFlag: Check = (value) => typeof value === 'boolean';

/** Accepts integers from 0 on. */
export const isCount: Check = (value) => Number.isInteger(value) && (value as number) >= 0;

/** Accepts an object whose fields are all known and fine. */
export function isRecordOf(checks: Record<string, Check>): Check {
  return (value) => isObject(value) && fieldsComplaint(value, checks) === null;
}

/** Says which field of an object is unknown or of the wrong shape; null when all are fine. */
export function fieldsComplaint(value: object, checks: Record<string, Check>, where = ''): string | null {
  for (const [name, field] of Object.entries(value)) {
    const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
    if (!check) return `${where}unknown field '${name}'.`;
    if (!check(field)) return `${where}field '${name}' has an invalid value.`;
  }
  return null;
}
