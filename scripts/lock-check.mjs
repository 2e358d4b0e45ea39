// lists optionalDependencies that a package-lock.json lacks (they make `npm ci` fail with EUSAGE "Missing: … from lock file")
import { readFileSync } from 'node:fs';
const l = JSON.parse(readFileSync(process.argv[2] ?? 'package-lock.json', 'utf8')).packages;
let bad = 0;
for (const [k, v] of Object.entries(l))
  for (const d of Object.keys(v.optionalDependencies ?? {})) {
    let dir = k,
      found = false;
    for (;;) {
      if (l[(dir ? dir + '/' : '') + 'node_modules/' + d]) {
        found = true;
        break;
      }
      if (!dir) break;
      const i = dir.lastIndexOf('/node_modules/');
      dir = i < 0 ? '' : dir.slice(0, i);
    }
    if (!found) {
      bad++;
      console.log('missing', d, v.optionalDependencies[d], 'of', k || 'root', v.version);
    }
  }
console.log(bad ? `${bad} missing` : 'complete');
process.exit(bad ? 1 : 0);
