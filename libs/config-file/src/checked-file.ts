import { ConfigDocument, fieldErrors } from '@app/contract';
import { type ConfigFile, ConfigFileError } from './config-file.js';

/**
 * The document of a file, as far as it can be checked without knowing what is there already.
 *
 * @throws ConfigFileError that names every field at fault, with its place
 */
export function checkConfigFile(name: string, { value, places }: ConfigFile): ConfigDocument {
  const { data, error } = ConfigDocument.safeParse(value);
  if (data) return data;
  const problems = error.issues.flatMap(fieldErrors).map((problem) => ({ ...problem, ...places(problem.path) }));
  throw new ConfigFileError(name, problems);
}
