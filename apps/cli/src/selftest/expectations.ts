/** A broken promise; the message says what was seen. */
export class CheckFailed extends Error {}

/** A check that cannot run here; the message says why. */
export class CheckSkipped extends Error {}

/** What keeps all checks from running; the message is for the operator, in one line. */
export class SelfTestError extends Error {}

/** Fails the check unless the condition holds. */
export function expectThat(condition: boolean, seen: string): asserts condition {
  if (!condition) throw new CheckFailed(seen);
}

/** Fails the check unless both are the same, as JSON. */
export function expectSame(what: string, got: unknown, expected: unknown): void {
  const [shown, wanted] = [JSON.stringify(got), JSON.stringify(expected)];
  expectThat(shown === wanted, `${what} is ${shorten(shown)} instead of ${shorten(wanted)}`);
}

/** Fails the check unless all bytes are the same; says where the first difference is. */
export function expectSameBytes(what: string, got: Buffer, expected: Buffer): void {
  if (got.equals(expected)) return;
  let at = 0;
  while (at < got.length && got[at] === expected[at]) at += 1;
  const around = (bytes: Buffer) => shorten(JSON.stringify(bytes.subarray(Math.max(0, at - 20), at + 20).toString()));
  throw new CheckFailed(
    `${what} differ from byte ${at} on: ${got.length} bytes with ${around(got)} instead of ${expected.length} with ${around(expected)}`,
  );
}

const SHOWN_CHARS_MAX = 200;

function shorten(text = 'nothing'): string {
  return text.length <= SHOWN_CHARS_MAX ? text : `${text.slice(0, SHOWN_CHARS_MAX)}…`;
}
