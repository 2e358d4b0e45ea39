/** What the process ends with. */
export const ExitCode = {
  Ok: 0,
  Failure: 1,
  /** `config diff`: there is something to change. */
  Changes: 2,
  /** EX_USAGE of sysexits.h. */
  Usage: 64,
} as const;

/** A command that ends otherwise than well. An empty message: all has been said. */
export class CommandFailure extends Error {
  constructor(
    message: string,
    readonly exitCode: number = ExitCode.Failure,
  ) {
    super(message);
  }
}
