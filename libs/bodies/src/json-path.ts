/** One step of a path: into a member, an element, all of either (`null`), or anything below. */
interface Step {
  /** A member's name, an element's index, or null for all. */
  readonly key: string | number | null;
  /** At any depth. */
  readonly isDeep: boolean;
}

/** A path into JSON, such as `$.input[*].content` or `$..text`. */
export class JsonPath {
  private readonly steps: readonly Step[];

  /** @param text in the form that the admin API takes */
  constructor(text: string) {
    const steps = text.matchAll(/(\.\.?)(\*|[A-Za-z_][\w-]*)|\[(?:(\d+)|(\*)|'([^']+)')\]/g);
    this.steps = [...steps].map(([, dots, name, index, star, quoted]) => ({
      key: name === '*' || star ? null : index === undefined ? (name ?? quoted ?? '') : Number(index),
      isDeep: dots === '..',
    }));
  }

  /** Puts something in the place of every value that the path leads to; how many there were. */
  replaceIn(root: unknown, replacement: string): number {
    return this.walk(root, 0, replacement);
  }

  private walk(node: unknown, at: number, replacement: string): number {
    if (typeof node !== 'object' || node === null) return 0;
    const step = this.steps[at];
    if (!step) return 0;
    const parent = node as Record<string | number, unknown>;
    const isLast = at === this.steps.length - 1;
    let count = 0;
    for (const key of keysOf(parent, step.key)) {
      if (!isLast) count += this.walk(parent[key], at + 1, replacement);
      else if (parent[key] !== replacement) {
        parent[key] = replacement;
        count++;
      }
    }
    if (step.isDeep) for (const key of Object.keys(parent)) count += this.walk(parent[key], at, replacement);
    return count;
  }
}

function keysOf(parent: object, key: Step['key']): readonly (string | number)[] {
  if (key === null) return Object.keys(parent);
  const fits = typeof key === 'string' || Array.isArray(parent);
  return fits && Object.hasOwn(parent, key) ? [key] : [];
}
