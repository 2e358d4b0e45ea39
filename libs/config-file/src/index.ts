export { type ConfigFile, ConfigFileError, type FileProblem, parseConfigFile } from './config-file.js';
export { checkConfigFile } from './checked-file.js';
export { configText } from './config-text.js';
export { unresolvedIn } from './references.js';
export { variablesOf } from './variable-names.js';
