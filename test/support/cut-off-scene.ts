import { Cable } from './cable.js';
import { createDatabase, type TestDatabase } from './database.js';
import { type Scene, startScene } from './scene.js';

/** A scene whose gateway reaches its database by a cable that can be cut. */
export interface CutOffScene extends Scene {
  cable: Cable;
  /** By another way than the gateway's. */
  database: TestDatabase;
}

/** @param prepare what is in the database before the gateway starts */
export async function startCutOffScene(
  env: Record<string, string> = {},
  prepare?: (database: TestDatabase) => Promise<void>,
): Promise<CutOffScene> {
  const database = await createDatabase();
  await prepare?.(database);
  const url = new URL(database.url);
  const cable = await Cable.to(url.hostname, Number(url.port));
  url.port = String(cable.port);
  const scene = await startScene({ gateway: { database: { ...database, url: url.href }, env } });
  return {
    ...scene,
    cable,
    database,
    stop: async () => {
      await scene.stop();
      cable.close();
      await database.drop();
    },
  };
}
