import 'reflect-metadata';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { inspect } from 'node:util';
import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { Logger } from '@nestjs/common';
import { CompactionSeal, readOlderKeys } from '@app/compaction';
import { PrismaService } from '@app/database';
import { Invitations } from '@app/operators';
import { readSettings, scrub, type Settings, SettingsError } from '@app/runtime';
import { createGateway } from './create-gateway.js';
import { applyConfig, readConfig } from './start/apply-config.js';
import { banner } from './start/banner.js';
import { migrate, openDatabase } from './start/database.js';
import { DataDir } from './start/data-dir.js';
import { setUpOnce, startDemoUpstream, workingDemoKey } from './start/first-start.js';
import { adminTokenOf, adoptMasterKey, masterKeyOf, replicaIdOf } from './start/installation.js';
import { recoverLog } from './start/recover-log.js';
import type { SimulatorProcess } from './start/simulator-process.js';
import { type Stoppable, stopOnSignal } from './start/stop-on-signal.js';
import { StartupError } from './start/startup-error.js';

/** What has been started, to be stopped in the opposite order. */
class Started implements Stoppable {
  app: NestFastifyApplication | null = null;
  isPublic = false;
  isStopping = false;
  private readonly undo: (() => unknown)[] = [];

  onStop(...undo: (() => unknown)[]): void {
    this.undo.push(...undo);
  }

  async stopAll(): Promise<void> {
    this.isStopping = true;
    for (let stop = this.undo.pop(); stop; stop = this.undo.pop()) await stop();
  }
}

async function start(settings: Settings, started: Started): Promise<void> {
  await checkPortIsFree(settings);
  const config = readConfig(settings, process.env);
  const dataDir = await DataDir.open(settings.dataDir);
  started.onStop(() => dataDir.close());
  const database = await openDatabase(settings, dataDir);
  started.onStop(() => database.stop());
  await migrate(database);

  const masterKey = masterKeyOf(settings, dataDir);
  const adminToken = adminTokenOf(settings, dataDir);
  const app = await createGateway(
    {
      databaseUrl: database.url,
      redisUrl: settings.redisUrl,
      redisTimeoutMs: settings.redisTimeoutMs,
      replicaId: replicaIdOf(dataDir),
      masterKey,
      adminToken: adminToken.hash,
      oidc: settings.oidc,
      publicUrl: settings.publicUrl,
      answerLimits: settings,
      throttling: {
        admin: settings.adminRequestsPerMinute,
        admin_failures: settings.adminFailuresPerMinute,
        sign_ins: settings.signInsPerMinute,
        strangers: settings.strangerRequestsPerMinute,
      },
      journal: { folder: join(settings.dataDir, 'journal'), bytesMax: settings.journalBytesMax },
      upstreamPrivateCidrs: settings.upstreamPrivateCidrs,
    },
    settings,
  );
  const prisma = app.get(PrismaService);
  let simulator: SimulatorProcess | null = null;
  started.app = app;
  // The simulator outlives the answers that it still gives.
  started.onStop(
    () => prisma.$disconnect(),
    () => simulator?.stop(),
    () => app.close(),
  );
  await adoptMasterKey(prisma, masterKey, settings.previousMasterKey);
  for (const key of await readOlderKeys(prisma, masterKey)) app.get(CompactionSeal).addOlder(key);
  await recoverLog(app);
  await app.init();
  if (config) await applyConfig(app, config);
  await setUpOnce(app, settings, dataDir);
  simulator = await startDemoUpstream(app, settings);
  await listen(app, settings);

  const url = urlOf(app, settings.host);
  const setupToken = await app.get(Invitations).makeSetupToken();
  const logger = new Logger('Gateway');
  logger.log(`listening on ${url}`);
  adminToken.keep();
  console.log(
    banner({
      url,
      madeAdminToken: adminToken.made,
      setupToken,
      demoKey: workingDemoKey(app, dataDir),
      isSimulated: simulator !== null,
    }),
  );
  process.send?.({ type: 'ready', url, databaseUrl: database.url, adminToken: adminToken.made, setupToken });
}

/** Asked first, so that a second start on the same port leaves no trace. */
async function checkPortIsFree({ host, port }: Settings): Promise<void> {
  await new Promise<void>((free, taken) => {
    const probe = createServer();
    probe.once('error', (error) => taken(portProblem(error, host, port)));
    probe.listen({ host, port }, () => probe.close(() => free()));
  });
}

async function listen(app: NestFastifyApplication, { host, port }: Settings): Promise<void> {
  try {
    await app.listen({ host, port });
  } catch (error) {
    throw portProblem(error as NodeJS.ErrnoException, host, port);
  }
}

function portProblem(error: NodeJS.ErrnoException, host: string, port: number): Error {
  if (error.code === 'EADDRINUSE') {
    return new StartupError(`port ${port} on ${host} is taken: stop what uses it, or set PORT`, { cause: error });
  }
  return new StartupError(`cannot listen on ${host}:${port} (${error.code ?? error.message}): set HOST and PORT`, {
    cause: error,
  });
}

function urlOf(app: NestFastifyApplication, host: string): string {
  const { port } = app.getHttpServer().address() as AddressInfo;
  const name = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  return `http://${name}:${port}`;
}

const started = new Started();
// What nobody has caught ends the process as ever, but not without the scrubber: Node would print the error as it is.
process.on('uncaughtException', (error) => {
  console.error(scrub(inspect(error)));
  process.exit(1);
});
try {
  const settings = readSettings(process.env);
  started.isPublic = !settings.isLoopback;
  stopOnSignal(started, settings.isUnderNpm);
  await start(settings, started);
} catch (error) {
  // A signal during the start takes things away under its feet: what fails then is no news.
  if (!started.isStopping) await refuse(error);
}

async function refuse(error: unknown): Promise<void> {
  const isExpected = error instanceof StartupError || error instanceof SettingsError;
  console.error(scrub(isExpected ? `tollgate: ${error.message}` : inspect(error)));
  await started.stopAll();
  process.exit(1);
}
