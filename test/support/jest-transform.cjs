// Jest transformer for a CommonJS-mode jest on an ESM code base: TypeScript and every ES module (ours or in node_modules)
// is compiled to CommonJS by SWC; CommonJS files pass through untouched. No --experimental-vm-modules, any Node >= 20.
const { transformSync, version } = require('@swc/core');
const { createHash } = require('node:crypto');
const { dirname, join } = require('node:path');
const { readFileSync } = require('node:fs');

const types = new Map();
function packageType(dir) {
  let t = types.get(dir);
  if (t === undefined) {
    try {
      t = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')).type ?? 'commonjs';
    } catch {
      t = dirname(dir) === dir ? 'commonjs' : packageType(dirname(dir));
    }
    types.set(dir, t);
  }
  return t;
}
const isTs = (f) => /\.[mc]?tsx?$/.test(f);
const isEsm = (f) => isTs(f) || f.endsWith('.mjs') || (f.endsWith('.js') && packageType(dirname(f)) === 'module');
const options = (f) => ({
  filename: f,
  swcrc: false,
  configFile: false,
  // Nobody debugs a dependency here; the maps would be most of what is written, and read again by every spec.
  sourceMaps: f.includes('node_modules') ? false : 'inline',
  module: { type: 'commonjs' },
  jsc: {
    target: 'es2023',
    keepClassNames: true,
    ...(isTs(f)
      ? {
          parser: { syntax: 'typescript', decorators: true },
          transform: {
            legacyDecorator: true,
            decoratorMetadata: true,
            useDefineForClassFields: false,
            hidden: { jest: true },
          },
        }
      : { parser: { syntax: 'ecmascript' } }),
  },
});
const self = readFileSync(__filename, 'utf8');
module.exports = {
  process: (src, f) => (isEsm(f) ? { code: transformSync(src, options(f)).code } : { code: src }),
  getCacheKey: (src, f, o) =>
    createHash('sha1').update(self).update(version).update(f).update(src).update(o.configString).digest('hex'),
};
