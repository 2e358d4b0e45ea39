/** What is shown of an object, with its version: answered as what is shown, with the version as its `ETag`. */
export class Tagged<Shown> {
  constructor(
    readonly shown: Shown,
    readonly version: number,
  ) {}
}

/** @param row what is shown, as it is stored */
export function tagged<Shown>(shown: Shown, { version }: { version: number }): Tagged<Shown> {
  return new Tagged(shown, version);
}
