#!/usr/bin/env node
// Speaks the JSON-RPC protocol of Prisma's native `schema-engine` on stdio, but runs the WASM build of the
// engine (@prisma/schema-engine-wasm) over @prisma/adapter-pg. Point PRISMA_SCHEMA_ENGINE_BINARY at this file.
import { readFileSync, appendFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
const require = createRequire(import.meta.url);
const dbg = process.env.SHIM_LOG ? (...a) => appendFileSync(process.env.SHIM_LOG, a.join(' ') + '\n') : () => {};
const argv = process.argv.slice(2);
dbg('argv', JSON.stringify(argv));
if (argv.includes('--version') || argv.includes('-V')) {
  console.log('schema-engine-cli ' + require('@prisma/engines-version').enginesVersion);
  process.exit(0);
}
const opt = (n) => argv.flatMap((a, i) => (a === n ? [argv[i + 1]] : []));
const datamodels = opt('--datamodels');
const datasource = opt('--datasource')[0] ? JSON.parse(opt('--datasource')[0]) : undefined;

let panic;
globalThis.PRISMA_WASM_PANIC_REGISTRY = {
  set_message: (m) => {
    panic = m;
    dbg('panic', m);
  },
};
const bg = await import('@prisma/schema-engine-wasm/schema_engine_bg');
const wasmPath = require.resolve('@prisma/schema-engine-wasm').replace(/schema_engine\.js$/, 'schema_engine_bg.wasm');
const inst = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(wasmPath)), { './schema_engine_bg.js': bg });
bg.__wbg_set_wasm(inst.exports);
inst.exports.__wbindgen_start();

const { PrismaPg } = await import('@prisma/adapter-pg');
const { bindMigrationAwareSqlAdapterFactory, DriverAdapterError } = await import('@prisma/driver-adapter-utils');
const pg = (await import('pg')).default;

function cfg(url) {
  const u = new URL(url);
  return {
    host: u.searchParams.get('host') ?? (u.hostname || 'localhost'),
    port: u.port ? +u.port : 5432,
    user: decodeURIComponent(u.username || 'postgres'),
    password: decodeURIComponent(u.password || '') || undefined,
    database: decodeURIComponent(u.pathname.slice(1) || 'postgres'),
    schema: u.searchParams.get('schema') ?? 'public',
    ssl: /require|verify/.test(u.searchParams.get('sslmode') ?? '') ? { rejectUnauthorized: false } : undefined,
  };
}
async function admin(c, sql) {
  const { schema: _schema, ...rest } = c;
  let cl, e;
  for (const database of ['postgres', 'template1', rest.database]) {
    cl = new pg.Client({ ...rest, database });
    try {
      await cl.connect();
      break;
    } catch (err) {
      e = err;
      cl = undefined;
    }
  }
  if (!cl) throw e;
  try {
    return await cl.query(sql);
  } finally {
    await cl.end();
  }
}
// adapter-pg rejects the catalog types "char" (18) and pg_node_tree (194); the engine wants them as Character and Text
const CHARACTER = 6;
function catalogTypes(q) {
  const marks = new WeakMap(),
    performIO = q.performIO.bind(q),
    queryRaw = q.queryRaw.bind(q);
  q.performIO = async (query) => {
    const r = await performIO(query);
    marks.set(
      r.rows,
      r.fields.map((f) => f.dataTypeID === 18),
    );
    for (const f of r.fields) if (f.dataTypeID === 18 || f.dataTypeID === 194) f.dataTypeID = 25;
    return r;
  };
  q.queryRaw = async (query) => {
    const r = await queryRaw(query);
    const isChar = marks.get(r.rows) ?? [];
    return { ...r, columnTypes: r.columnTypes.map((t, i) => (isChar[i] ? CHARACTER : t)) };
  };
  return q;
}
async function prismaPg(config, schema) {
  const pool = new pg.Pool({ ...config, max: 1 });
  const a = catalogTypes(await new PrismaPg(pool, { schema, disposeExternalPool: true }).connect());
  const startTransaction = a.startTransaction.bind(a);
  a.startTransaction = async (level) => catalogTypes(await startTransaction(level));
  // adapter-pg splits scripts at every ';' (breaks $$ bodies); the simple protocol takes the whole script, as the native engine does
  a.executeScript = async (script) => {
    try {
      await pool.query(script);
    } catch (e) {
      throw new DriverAdapterError({
        kind: 'postgres',
        code: e.code ?? 'N/A',
        severity: e.severity ?? 'ERROR',
        message: e.message,
        originalCode: e.code,
        originalMessage: e.message,
        detail: e.detail,
        column: e.column,
        hint: e.hint,
      });
    }
  };
  return a;
}
const qi = (s) => '"' + s.replaceAll('"', '""') + '"';
function factory(c, shadowUrl) {
  const { schema, ...rest } = c;
  const f = { provider: 'postgres', adapterName: '@prisma/adapter-pg' };
  return {
    provider: f.provider,
    adapterName: f.adapterName,
    connect: () => prismaPg(rest, schema),
    connectToShadowDb: async () => {
      if (shadowUrl) {
        const s = cfg(shadowUrl),
          { schema: ss, ...sr } = s;
        const a = await prismaPg(sr, ss);
        await a.executeScript(`DROP SCHEMA IF EXISTS ${qi(ss)} CASCADE; CREATE SCHEMA ${qi(ss)};`);
        return a;
      }
      const database = 'prisma_migrate_shadow_db_' + crypto.randomUUID();
      await admin(c, `CREATE DATABASE ${qi(database)}`);
      const a = await prismaPg({ ...rest, database }, schema);
      const dispose = a.dispose.bind(a);
      a.dispose = async () => {
        await dispose();
        await admin(c, `DROP DATABASE IF EXISTS ${qi(database)} WITH (FORCE)`);
      };
      return a;
    },
  };
}

// adapter for operations that need no database (diff empty/schema -> schema): answers the engine's version probe only
const offline = () => {
  const none = async (q) => {
    dbg('offline query', q.sql);
    return {
      columnTypes: [5, 7, 0],
      columnNames: ['exists', 'version', 'numeric_version'],
      rows: [[true, 'PostgreSQL 15.0', 150000]],
    };
  };
  const a = {
    provider: 'postgres',
    adapterName: 'offline',
    queryRaw: none,
    executeRaw: async () => 0,
    executeScript: async () => {},
    startTransaction: async () => {
      throw new Error('offline');
    },
    getConnectionInfo: () => ({ schemaName: 'public', supportsRelationJoins: true }),
    dispose: async () => {},
  };
  return { provider: 'postgres', adapterName: 'offline', connect: async () => a, connectToShadowDb: async () => a };
};
let offlinePromise;
const offlineEngine = () =>
  (offlinePromise ??= bg.SchemaEngine.new(
    { datamodels: undefined },
    () => {},
    bindMigrationAwareSqlAdapterFactory(offline()),
  ));
let enginePromise;
function engine() {
  return (enginePromise ??= (async () => {
    const url = datasource?.url ?? process.env.DATABASE_URL ?? 'postgresql://none:none@127.0.0.1:1/none';
    return bg.SchemaEngine.new(
      { datamodels: datamodels.length ? datamodels.map((p) => [p, readFileSync(p, 'utf8')]) : undefined },
      (log) => dbg('log', log),
      bindMigrationAwareSqlAdapterFactory(factory(cfg(url), datasource?.shadowUrl ?? datasource?.shadowDatabaseUrl)),
    );
  })());
}
const methods = {
  async createDatabase() {
    const c = cfg(datasource.url);
    const r = await admin(c, `SELECT 1 FROM pg_database WHERE datname = '${c.database.replaceAll("'", "''")}'`);
    if (r.rowCount) throw Object.assign(new Error(`Database \`${c.database}\` already exists`), { code: 'P1009' });
    await admin(c, `CREATE DATABASE ${qi(c.database)}`);
    return { databaseName: c.database };
  },
  async getDatabaseVersion(p) {
    return (await engine()).version(p);
  },
  async ensureConnectionValidity() {
    const c = cfg(datasource.url);
    const cl = new pg.Client({ ...c });
    try {
      await cl.connect();
      await cl.end();
    } catch (e) {
      if (e.code === '3D000')
        throw Object.assign(
          new Error(`Database \`${c.database}\` does not exist on the database server at \`${c.host}:${c.port}\`.`),
          { code: 'P1003' },
        );
      throw Object.assign(new Error(`Can't reach database server at \`${c.host}:${c.port}\`: ${e.message}`), {
        code: 'P1001',
      });
    }
    return {};
  },
};
if (argv.includes('cli')) {
  // `schema-engine cli can-connect-to-database|create-database|drop-database`
  const cmd = argv[argv.indexOf('cli') + 1];
  const c = cfg(datasource.url);
  const log = (level, message, code) =>
    process.stderr.write(
      '\n' +
        JSON.stringify({
          level,
          timestamp: new Date().toISOString(),
          fields: { message, is_panic: false, error_code: code },
          target: 'schema_engine::logger',
        }),
    );
  try {
    process.stderr.write('{}'); // the CLI drops the first line
    if (cmd === 'can-connect-to-database') {
      await methods.ensureConnectionValidity({});
      log('INFO', 'Connection successful');
    } else if (cmd === 'create-database') {
      await methods.createDatabase({});
      log('INFO', `Database '${c.database}' was successfully created.`);
    } else if (cmd === 'drop-database') {
      await admin({ ...c }, `DROP DATABASE ${qi(c.database)} WITH (FORCE)`);
      log('INFO', 'The database was successfully dropped.');
    }
    process.exit(0);
  } catch (e) {
    log('ERROR', e.message, e.code);
    process.exit(1);
  }
}
async function call(method, params) {
  if (methods[method]) return methods[method](params);
  const staticDiff =
    method === 'diff' && [params.from, params.to].every((t) => t.tag === 'empty' || t.tag === 'schemaDatamodel');
  const e = staticDiff ? await offlineEngine() : await engine();
  if (typeof e[method] !== 'function') throw new Error('unsupported method ' + method);
  return e[method](params);
}
let pending = Promise.resolve(),
  id2 = 1;
const out = (o) => process.stdout.write(JSON.stringify(o) + '\n');
const rl = createInterface({ input: process.stdin });
rl.on('line', (line) => {
  const msg = JSON.parse(line);
  if (!msg.method) return;
  pending = pending.then(async () => {
    dbg('->', line);
    try {
      const params = Array.isArray(msg.params) ? msg.params[0] : msg.params;
      let r = await call(msg.method, params);
      if (msg.method === 'diff' && r?.stdout) {
        out({ jsonrpc: '2.0', id: id2++, method: 'print', params: { content: r.stdout } });
      }
      dbg('<-', JSON.stringify(r));
      out({ jsonrpc: '2.0', id: msg.id, result: r ?? null });
    } catch (err) {
      dbg('!!', err?.stack ?? err, JSON.stringify(err));
      if (panic) {
        process.stderr.write(
          JSON.stringify({
            level: 'ERROR',
            timestamp: new Date().toISOString(),
            fields: { message: panic, is_panic: true, backtrace: err?.stack ?? '' },
            target: 'schema_engine::logger',
          }) + '\n',
        );
        return process.exit(101);
      }
      const code = err?.code ?? err?.error_code;
      out({
        jsonrpc: '2.0',
        id: msg.id,
        error: {
          code: 4466,
          message: 'An error happened. Check the data field for details.',
          data: {
            is_panic: false,
            message: err?.message ?? String(err),
            meta: err?.meta ?? null,
            error_code: code ?? null,
          },
        },
      });
    }
  });
});
rl.on('close', () => pending.then(() => process.exit(0)));
