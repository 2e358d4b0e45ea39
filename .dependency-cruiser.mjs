/** Who may import whom. This table is the architecture; `npm run boundaries` keeps it true. */
const libs = {
  protocol: [],
  contract: [],
  runtime: [],
  'config-file': ['contract'],
  'token-estimate': [],
  'cache-health': ['protocol', 'contract'],
  database: ['runtime'],
  limits: ['runtime'],
  ledger: ['contract', 'database', 'runtime'],
  groups: ['ledger', 'limits', 'models', 'database', 'runtime'],
  keys: ['groups', 'ledger', 'limits', 'database', 'runtime'],
  models: ['protocol', 'database', 'runtime'],
  upstreams: ['models', 'protocol', 'database', 'runtime'],
  journal: ['ledger', 'models', 'protocol', 'contract', 'database', 'runtime'],
  bodies: ['groups', 'journal', 'storage', 'contract', 'database', 'runtime'],
  usage: ['database', 'runtime'],
  'stored-responses': ['protocol', 'database', 'runtime'],
  storage: ['database', 'runtime'],
  alerts: ['storage', 'upstreams', 'contract', 'database', 'runtime'],
  operators: ['contract', 'database', 'runtime'],
  compaction: ['upstreams', 'protocol', 'database', 'runtime'],
};
const apps = {
  gateway: Object.keys(libs),
  simulator: ['protocol', 'runtime'],
  cli: ['contract', 'config-file', 'protocol', 'runtime', 'simulator'],
};

const only = (from, allowed) => ({
  name: `${from}-imports-only-${allowed.join('-') || 'itself'}`,
  severity: 'error',
  from: { path: `^${from}/` },
  to: {
    path: '^(libs|apps)/',
    pathNot: [`^${from}/`, ...allowed.map((name) => `^(libs/${name}/src/index|apps/${name}/src/${name})\\.ts$`)],
  },
});

export default {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: { pathNot: '/generated/' }, to: { circular: true } },
    ...Object.entries(libs).map(([lib, allowed]) => only(`libs/${lib}`, allowed)),
    ...Object.entries(apps).map(([app, allowed]) => only(`apps/${app}`, allowed)),
    {
      name: 'no-own-door',
      severity: 'error',
      from: { path: '^libs/([^/]+)/src/(?!index)' },
      to: { path: '^libs/$1/src/index\\.ts$' },
    },
    {
      name: 'pure-libs-know-no-framework',
      severity: 'error',
      from: { path: '^libs/(protocol|contract|cache-health|config-file)/' },
      to: { path: 'node_modules/(@nestjs|fastify|@prisma)' },
    },
    {
      name: 'the-command-line-starts-at-once',
      severity: 'error',
      from: { path: '^apps/cli/' },
      to: { path: 'node_modules/(@nestjs|fastify|@prisma|pg)/' },
    },
    {
      name: 'http-stays-in-apps',
      severity: 'error',
      from: { path: '^libs/' },
      to: { path: 'node_modules/(fastify|@nestjs/platform-fastify)' },
    },
    {
      name: 'one-importer-of-the-generated-client',
      severity: 'error',
      from: { pathNot: '^libs/database/' },
      to: { path: '^libs/database/src/generated/' },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '(^dist/|\\.spec\\.ts$)' },
  },
};
