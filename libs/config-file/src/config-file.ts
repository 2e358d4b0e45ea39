import { LineCounter, parseDocument } from 'yaml';
import { type Places, placesOf } from './places.js';
import { type Environment, resolveSecrets } from './references.js';

/** Something in a file that is wrong, or that its author should know. */
export interface FileProblem {
  /** The field, such as groups.0.name; empty: the file as a whole. */
  readonly path: string;
  /** The rest of a sentence that begins with the field. */
  readonly message: string;
  readonly line: number;
  readonly column: number;
}

/** A configuration file that could be read; what it says has not been looked at. */
export interface ConfigFile {
  /** What it says, with references resolved. */
  readonly value: unknown;
  /** Secrets that stand in the file itself. */
  readonly warnings: readonly FileProblem[];
  /** Where a field stands; where it is missing, what it is missing from. */
  readonly places: Places;
}

/** A file that is wrong. The message has a line for each problem, with its place. */
export class ConfigFileError extends Error {
  constructor(
    name: string,
    readonly problems: readonly FileProblem[],
  ) {
    super(
      problems
        .map(({ line, column, path, message }) => `${name}:${line}:${column}: ${path ? `${path} ` : ''}${message}`)
        .join('\n'),
    );
  }
}

/**
 * Reads YAML 1.2, or JSON, and puts in what it refers to.
 *
 * @param name of the file, for messages
 * @throws ConfigFileError when it is no YAML, or refers to a variable that is not set
 */
export function parseConfigFile(name: string, text: string, env: Environment): ConfigFile {
  const lineCounter = new LineCounter();
  const document = parseDocument(text, { lineCounter, prettyErrors: false });
  if (document.errors.length > 0) {
    const problems = document.errors.map(({ message, pos: [offset] }) => {
      const { line, col } = lineCounter.linePos(offset);
      return { path: '', message: `is not valid YAML: ${message}`, line, column: col };
    });
    throw new ConfigFileError(name, problems);
  }
  const places = placesOf(document, lineCounter);
  const { value, unset, literal } = resolveSecrets(toValue(name, document), env);
  const at = (path: string, message: string): FileProblem => ({ path, message, ...places(path) });
  if (unset.length > 0) {
    throw new ConfigFileError(
      name,
      unset.map(({ path, variable }) => at(path, `needs the variable ${variable}, which is not set`)),
    );
  }
  const warnings = literal.map((path) => at(path, 'is a secret in the file itself: write ${NAME}, and set NAME'));
  return { value, warnings, places };
}

/** @throws ConfigFileError for aliases that blow up */
function toValue(name: string, document: ReturnType<typeof parseDocument>): unknown {
  try {
    return document.toJS();
  } catch (error) {
    const message = `is not valid YAML: ${(error as Error).message}`;
    throw new ConfigFileError(name, [{ path: '', message, line: 1, column: 1 }]);
  }
}
