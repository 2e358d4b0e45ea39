export default async function teardown() {
  const { stopTestPostgres } = globalThis;
  // Once, though each project of Jest's asks for it.
  globalThis.stopTestPostgres = undefined;
  await stopTestPostgres?.();
}
