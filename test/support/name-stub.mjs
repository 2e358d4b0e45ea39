// Loaded into a gateway's process by `--import`: gives the names of TEST_NAMES the addresses listed there, `{name: [[first
// answer], [second answer], …]}`, the last answer for ever. All other names are resolved as always.
import dns from 'node:dns';
import { syncBuiltinESMExports } from 'node:module';
import { isIPv6 } from 'node:net';

const names = JSON.parse(process.env.TEST_NAMES ?? '{}');
const { lookup } = dns;

dns.lookup = (name, options, callback) => {
  const answers = names[name];
  if (!answers) return lookup(name, options, callback);
  const addresses = answers.length > 1 ? answers.shift() : answers[0];
  const all = addresses.map((address) => ({ address, family: isIPv6(address) ? 6 : 4 }));
  process.nextTick(callback, null, all);
};
syncBuiltinESMExports();
