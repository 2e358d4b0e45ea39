import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { PrismaService, readSetting, writeSetting } from '@app/database';
import { GroupsService } from '@app/groups';
import { KeyRing, KeysService, makeSecret } from '@app/keys';
import { ModelsService } from '@app/models';
import type { Settings } from '@app/runtime';
import { AddressPolicy, checkBaseUrl, UpstreamsService } from '@app/upstreams';
import type { DataDir } from './data-dir.js';
import { SimulatorProcess } from './simulator-process.js';
import { StartupError } from './startup-error.js';

const ACTOR = 'first_start';
const SET_UP = 'set_up_at';
const DEMO_KEY_FILE = 'demo-key';
const DEMO_UPSTREAM = 'demo';
const DEMO_GROUP = 'default';
/** The names that Codex CLI and the examples use. */
const DEMO_MODELS = ['gpt-5.5', 'gpt-5.2-codex'];
const DEMO_PATTERNS = ['gpt-*', 'codex-*'];

/** Fills an empty installation: the upstream from OPENAI_API_KEY, a group and a key to start with. Once only. */
export async function setUpOnce(app: NestFastifyApplication, settings: Settings, dataDir: DataDir): Promise<void> {
  const prisma = app.get(PrismaService);
  if ((await readSetting(prisma, SET_UP)) !== undefined) return;
  if (settings.openai && (await prisma.upstream.count()) === 0) {
    const checked = await checkBaseUrl(settings.openai.baseUrl, app.get(AddressPolicy));
    if ('problem' in checked) throw new StartupError(`OPENAI_BASE_URL ${checked.problem}`);
    await app.get(UpstreamsService).create(ACTOR, {
      name: 'openai',
      kind: 'openai',
      baseUrl: checked.baseUrl,
      credential: settings.openai.apiKey,
      priority: 100,
      weight: 1,
      enabled: true,
    });
  }
  // A file says itself who may do what.
  if (settings.demo === 'auto' && settings.configFile === null) await makeDemo(app, dataDir);
  await writeSetting(prisma, SET_UP, new Date().toISOString());
}

/** Each step can be taken again: a start that was cut off half-way is finished by the next one. */
async function makeDemo(app: NestFastifyApplication, dataDir: DataDir): Promise<void> {
  const prisma = app.get(PrismaService);
  const group =
    (await prisma.group.findUnique({ where: { name: DEMO_GROUP } })) ??
    (await app
      .get(GroupsService)
      .create(ACTOR, { name: DEMO_GROUP, description: 'Made at the first start', models: DEMO_PATTERNS }));
  if (!workingDemoKey(app, dataDir)) {
    const secret = makeSecret();
    // The file first: a key whose secret nobody knows could never be used.
    dataDir.write(DEMO_KEY_FILE, secret);
    const key = { name: 'demo', groupId: group.id, owner: '', models: [], expiresAt: null };
    await app.get(KeysService).issue(ACTOR, key, secret);
  }
  for (const name of DEMO_MODELS) {
    await app.get(ModelsService).create(ACTOR, { name, aliases: [], upstreams: [], prices: null });
  }
}

/** The demo key, as long as it works. */
export function workingDemoKey(app: NestFastifyApplication, dataDir: DataDir): string | null {
  const secret = dataDir.read(DEMO_KEY_FILE);
  return secret && app.get(KeyRing).find(secret) ? secret : null;
}

/** Starts the bundled simulator as upstream `demo`, while there is no other upstream. */
export async function startDemoUpstream(
  app: NestFastifyApplication,
  settings: Settings,
): Promise<SimulatorProcess | null> {
  const upstreams = app.get(UpstreamsService);
  const all = await app.get(PrismaService).upstream.findMany();
  if (settings.demo === 'off' || all.some((upstream) => !upstream.demo)) return null;
  const simulator = await SimulatorProcess.start();
  const [demo] = all;
  if (demo) await upstreams.update(ACTOR, demo.id, { baseUrl: simulator.baseUrl });
  else {
    await upstreams.create(ACTOR, {
      name: DEMO_UPSTREAM,
      kind: 'openai',
      baseUrl: simulator.baseUrl,
      credential: null,
      priority: 1_000,
      weight: 1,
      enabled: true,
      demo: true,
    });
  }
  return simulator;
}
