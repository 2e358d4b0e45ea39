import { fromPublicId, type IdKind } from '@app/contract';
import { GatewayError } from '@app/protocol';

/** The latest that a date can say with four digits of the year. */
const SECONDS_MAX = 253_402_300_799;

/** A query that cannot be answered, by the parameter at fault. @param advice a sentence without its capital and full stop */
export function invalidParameter(param: string, advice: string): GatewayError {
  return new GatewayError('invalid_request', `Invalid '${param}': ${advice}.`, { param });
}

/**
 * The query of a URL, in which lists are written as `name=a&name=b`, `name[]=a&name[]=b` or `name[0]=a`: the SDKs differ.
 */
export class QueryParameters {
  private readonly values = new Map<string, string[]>();

  /** @throws GatewayError for a parameter that is not among those known: what it asks for would not be in the answer */
  constructor(url: string, known: ReadonlySet<string>) {
    const query = url.indexOf('?');
    for (const [written, value] of new URLSearchParams(query === -1 ? '' : url.slice(query + 1))) {
      const name = written.replace(/\[\d*\]$/, '');
      if (!known.has(name)) throw invalidParameter(name.slice(0, 100), 'there is no such parameter');
      if (value.includes('\0')) throw invalidParameter(name, 'it must be text without NUL characters');
      const values = this.values.get(name);
      if (values) values.push(value);
      else this.values.set(name, [value]);
    }
  }

  /** undefined when it is not there, or empty */
  one(name: string): string | undefined {
    const values = this.values.get(name) ?? [];
    if (values.length > 1) throw invalidParameter(name, 'send it once');
    return values[0] || undefined;
  }

  many(name: string): readonly string[] | undefined {
    const values = (this.values.get(name) ?? []).filter((value) => value !== '');
    return values.length > 0 ? values : undefined;
  }

  oneOf<Name extends string>(name: string, names: readonly Name[], preset: Name): Name {
    const value = this.one(name) ?? preset;
    return names.find((each) => each === value) ?? this.refuse(name, `it must be one of ${names.join(', ')}`);
  }

  /** Of these names; a comma-separated list will do, too. */
  listOf<Name extends string>(name: string, names: readonly Name[]): readonly Name[] {
    const values = new Set((this.many(name) ?? []).flatMap((value) => value.split(',')));
    return [...values].map(
      (value) =>
        names.find((each) => each === value) ??
        this.refuse(name, `it must be one of ${names.join(', ')}, or several of them`),
    );
  }

  integer(name: string, min: number, max: number): number | undefined {
    const value = this.one(name);
    if (value === undefined) return undefined;
    const integer = /^\d{1,12}$/.test(value) ? Number(value) : NaN;
    return integer >= min && integer <= max ? integer : this.refuse(name, `it must be an integer of ${min} … ${max}`);
  }

  /** Seconds since 1970. */
  time(name: string): number | undefined {
    return this.integer(name, 0, SECONDS_MAX);
  }

  /** Public ids, as they are stored. */
  ids(name: string, kind: IdKind): readonly string[] | undefined {
    return this.many(name)?.map(
      (id) => fromPublicId(kind, id) ?? this.refuse(name, `it must hold ids of a ${kind} of this gateway`),
    );
  }

  private refuse(name: string, advice: string): never {
    throw invalidParameter(name, advice);
  }
}
