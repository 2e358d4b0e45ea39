/** Only those members of an update that were given. */
export function given<T extends object>(update: T): { [Name in keyof T]?: Exclude<T[Name], undefined> } {
  return Object.fromEntries(Object.entries(update).filter(([, value]) => value !== undefined)) as ReturnType<
    typeof given<T>
  >;
}
