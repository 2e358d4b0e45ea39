// Jest in CommonJS mode over an ESM code base: test/support/jest-transform.cjs compiles every ES module, ours or not.
const base = {
  rootDir: __dirname,
  testEnvironment: 'node',
  moduleFileExtensions: ['ts', 'js', 'mjs', 'cjs', 'json', 'node'],
  moduleNameMapper: {
    '^@app/([a-z-]+)$': '<rootDir>/libs/$1/src/index.ts',
    '^(\\.{1,2}/.*)\\.js$': ['$1.js', '$1.ts'], // NodeNext: TypeScript imports './x.js'
  },
  modulePathIgnorePatterns: ['<rootDir>/dist/'],
  transform: { '\\.([mc]?ts|m?js)$': '<rootDir>/test/support/jest-transform.cjs' },
  transformIgnorePatterns: [],
  setupFiles: ['reflect-metadata'],
};
const onPostgres = {
  ...base,
  globalSetup: '<rootDir>/test/support/global-setup.mjs',
  globalTeardown: '<rootDir>/test/support/global-teardown.mjs',
};

module.exports = {
  projects: [
    { ...base, displayName: 'unit', testMatch: ['<rootDir>/{apps,libs,test}/**/*.spec.ts'] },
    { ...onPostgres, displayName: 'e2e', testMatch: ['<rootDir>/test/e2e/*.e2e-spec.ts'] },
    { ...onPostgres, displayName: 'fuzz', testMatch: ['<rootDir>/test/fuzz/*.fuzz-spec.ts'] },
    // For half an hour: by `npm run chaos` only.
    ...(process.env.CHAOS_REPORT
      ? [{ ...onPostgres, displayName: 'chaos', testMatch: ['<rootDir>/test/chaos/*.chaos-spec.ts'] }]
      : []),
    // By `npm run parity` only: it is a table for people. `npm test` has a short version in test/e2e/log-known-failures.
    ...(process.env.PARITY_REPORT
      ? [{ ...onPostgres, displayName: 'parity', testMatch: ['<rootDir>/test/parity/*.parity-spec.ts'] }]
      : []),
    { ...onPostgres, displayName: 'codex', testMatch: ['<rootDir>/test/codex/*.codex-spec.ts'] },
  ],
  reporters: ['default', '<rootDir>/test/support/summary-reporter.cjs'],
  // For what hangs only; what is to be fast says so itself. On a machine that others use, too, a start may take 8 s.
  testTimeout: 60_000,
  // Most of a test is waiting for sockets: one worker less than there are cores would leave a small machine half idle.
  maxWorkers: '100%',
  testSequencer: '<rootDir>/test/support/longest-first.cjs',
};
