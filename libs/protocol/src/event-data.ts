const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/** The data of each event in bytes that hold only whole events; several `data:` lines of one event come joined. */
export function* eventData(wholeEvents: Buffer): Generator<Buffer, void> {
  let lines: Buffer[] = [];
  for (let at = 0; at < wholeEvents.length;) {
    const newline = wholeEvents.indexOf(NEWLINE, at);
    const next = newline === -1 ? wholeEvents.length : newline + 1;
    let end = newline === -1 ? wholeEvents.length : newline;
    if (wholeEvents[end - 1] === CARRIAGE_RETURN) end--;
    const line = wholeEvents.subarray(at, Math.max(at, end));
    if (line.length === 0) {
      if (lines.length > 0) yield joined(lines);
      lines = [];
    } else if (line.toString('latin1', 0, 5) === 'data:') lines.push(line.subarray(line[5] === 0x20 ? 6 : 5));
    at = next;
  }
  if (lines.length > 0) yield joined(lines);
}

function joined(lines: readonly Buffer[]): Buffer {
  const [first] = lines;
  if (first && lines.length === 1) return first;
  return Buffer.concat(lines.flatMap((line, index) => (index === 0 ? [line] : [Buffer.from('\n'), line])));
}
