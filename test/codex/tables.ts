/** Something that Codex could do through the gateway, and with how many requests. */
export interface Working {
  what: string;
  version: string;
  requests: number;
}

/** What one failure meant for the user of one Codex. */
export interface ErrorCost {
  what: string;
  version: string;
  /** The gateway's answer: a status and an error code, or an event. */
  answer: string;
  requests: number;
  upstreamRequests: number;
  seconds: number;
  /** What the terminal shows last. */
  text: string;
  exitCode: number | null;
}

/** What was measured, when, and on what. */
export interface Results {
  measuredOn: string;
  machine: string;
  /** By how Codex was configured. */
  configuration: Working[];
  /** By what it was asked to do. */
  work: Working[];
  errors: ErrorCost[];
}

/** What Codex can do: a line per scenario, a column per version. */
export function worksTable({ configuration, work, measuredOn, machine }: Results): string {
  const works = [...configuration, ...work];
  const versions = unique(works.map(({ version }) => version));
  const lines = unique(works.map(({ what }) => what)).map((what) => {
    const cells = versions.map((version) => {
      const found = works.find((one) => one.what === what && one.version === version);
      return found ? `${found.requests} request${found.requests === 1 ? '' : 's'}` : 'not run';
    });
    return row([what, ...cells]);
  });
  const head = [row(['through the gateway', ...versions]), row(['---', ...versions.map(() => '---')])];
  return [...head, ...lines, '', `Measured on ${measuredOn}; ${machine}.`].join('\n');
}

/** What each failure costs: a line per case and version. */
export function errorTable({ errors, measuredOn, machine }: Results): string {
  const columns = [
    'what happens',
    'Codex',
    'the gateway answers',
    'requests',
    'upstream',
    'seconds',
    'exit',
    'the user reads',
  ];
  const lines = errors.map((cost) => row(cellsOf(cost)));
  return [row(columns), row(columns.map(() => '---')), ...lines, '', `Measured on ${measuredOn}; ${machine}.`].join(
    '\n',
  );
}

/** A page whose generated part of that name is this table. */
export function withTable(page: string, name: string, table: string): string {
  const [begin, end] = [`<!-- generated:begin ${name} -->`, `<!-- generated:end ${name} -->`];
  const from = page.indexOf(begin);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error(`the page has no place for '${name}'`);
  // Prettier would pad every cell to the longest message of its column.
  const block = `${begin}\n\n<!-- prettier-ignore-start -->\n${table}\n<!-- prettier-ignore-end -->\n\n`;
  return page.slice(0, from) + block + page.slice(to);
}

function cellsOf(cost: ErrorCost): string[] {
  const { what, version, answer, requests, upstreamRequests, seconds, exitCode, text } = cost;
  return [
    what,
    version,
    answer,
    `${requests}`,
    `${upstreamRequests}`,
    `${seconds}`,
    `${exitCode}`,
    text || '(nothing)',
  ];
}

function row(cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ').replaceAll('<', '&lt;')).join(' | ')} |`;
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}
