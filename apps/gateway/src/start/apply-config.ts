import { readFileSync } from 'node:fs';
import { Logger } from '@nestjs/common';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { checkConfigFile, type ConfigFile, ConfigFileError, parseConfigFile } from '@app/config-file';
import type { ConfigDocument } from '@app/contract';
import type { Settings } from '@app/runtime';
import { ConfigFiles } from '../config/config-files.js';
import { AdminProblem } from '../http/admin-problem.js';
import { StartupError } from './startup-error.js';

const ACTOR = 'config_file';

/** The file of TOLLGATE_CONFIG, as far as it can be checked without a database. */
export interface StartConfig {
  readonly path: string;
  readonly file: ConfigFile;
  readonly document: ConfigDocument;
}

/**
 * Reads TOLLGATE_CONFIG before anything else is done: most mistakes are known then.
 *
 * @throws StartupError that names line and column
 */
export function readConfig({ configFile: path }: Settings, env: NodeJS.ProcessEnv): StartConfig | null {
  if (path === null) return null;
  try {
    const file = parseConfigFile(path, readFileSync(path, 'utf8'), env);
    return { path, file, document: checkConfigFile(path, file) };
  } catch (error) {
    if (error instanceof ConfigFileError) throw refusal(error);
    throw new StartupError(`TOLLGATE_CONFIG ${path} cannot be read: ${(error as Error).message}`, { cause: error });
  }
}

/**
 * Makes everything as the file says, or changes nothing. Of replicas that start together one does it, and the others find it done.
 *
 * @throws StartupError that names line and column
 */
export async function applyConfig(app: NestFastifyApplication, { path, file, document }: StartConfig): Promise<void> {
  const logger = new Logger('Config');
  for (const { path: field, message, line, column } of file.warnings) {
    logger.warn(`${path}:${line}:${column}: ${field} ${message}`);
  }
  const options = { actor: ACTOR, prune: false, permissions: null, tellsSecrets: false };
  try {
    const { data } = await app.get(ConfigFiles).apply(document, options);
    const changed = data.filter(({ action }) => action !== 'none').length;
    logger.log(`${path} is applied: ${changed} of ${data.length} objects were changed`);
  } catch (error) {
    if (!(error instanceof AdminProblem)) throw error;
    const problems = error.errors.length > 0 ? error.errors : [{ path: '', message: error.message }];
    throw refusal(
      new ConfigFileError(
        path,
        problems.map((problem) => ({ ...problem, ...file.places(problem.path) })),
      ),
    );
  }
}

function refusal(error: ConfigFileError): StartupError {
  return new StartupError(`TOLLGATE_CONFIG changes nothing, as it is wrong:\n${error.message}`, { cause: error });
}
