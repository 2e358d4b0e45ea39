import type { ConfigDiff, ConfigStep } from '@app/contract';
import { printable } from './table.js';

const SIGNS = { create: '+', update: '~', delete: '−', none: ' ' } as const;
const COLOURS = { create: 32, update: 33, delete: 31, none: 0 } as const;

/** What would change, for people: + made, ~ changed, − deleted. */
export function changesText({ data }: ConfigDiff, isColoured: boolean): string {
  const steps = data.filter(({ action }) => action !== 'none');
  const count = (action: ConfigStep['action']) => steps.filter((step) => step.action === action).length;
  if (steps.length === 0) return 'Nothing is to be changed.';
  const summary = `${count('create')} to make, ${count('update')} to change, ${count('delete')} to delete.`;
  return [...steps.map((step) => stepText(step, isColoured)), summary].join('\n\n');
}

function stepText({ action, kind, name, changes }: ConfigStep, isColoured: boolean): string {
  const head = `${SIGNS[action]} ${kind} ${printable(name)}`;
  const lines = changes.map(({ path, before, after }) =>
    action === 'create' ? `    ${path}: ${shown(after)}` : `    ${path}: ${shown(before)} → ${shown(after)}`,
  );
  return [isColoured ? `\u001B[${COLOURS[action]}m${head}\u001B[0m` : head, ...lines].join('\n');
}

function shown(value: unknown): string {
  return printable(JSON.stringify(value));
}
