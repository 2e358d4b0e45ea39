import { fileURLToPath } from 'node:url';
import { defineConfig } from 'prisma/config';

// Prisma's schema engine as WASM from npm, in place of the native one, which is a download that offline machines lack.
// PRISMA_SCHEMA_ENGINE=native goes back to Prisma's own.
if (process.env.PRISMA_SCHEMA_ENGINE !== 'native') {
  process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= fileURLToPath(new URL('./scripts/schema-engine.mjs', import.meta.url));
}

export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  datasource: { url: process.env.DATABASE_URL ?? '' },
});
