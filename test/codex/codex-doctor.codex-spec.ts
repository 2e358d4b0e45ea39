import { execFile } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Page, Request } from '../../libs/contract/src/index.js';
import { type Codex, findCodex, newCodexHome, removeCodexHome } from '../support/codex.js';
import { eventually } from '../support/eventually.js';
import { type Scene, startScene } from '../support/scene.js';

const TEST_TIMEOUT_MS = 60_000;

/** What `codex doctor --json` says about one thing. */
interface Check {
  status: string;
  summary: string;
  details: Record<string, string>;
}

const found = findCodex();

(found ? describe : describe.skip)('codex doctor', () => {
  const codex = found as Codex;
  let scene: Scene;
  let home: string;

  beforeAll(async () => {
    scene = await startScene();
  });
  beforeEach(() => {
    home = newCodexHome();
  });
  afterEach(() => removeCodexHome(home));
  afterAll(() => scene.stop());

  async function examine(baseUrl: string): Promise<{ overallStatus: string; checks: Record<string, Check> }> {
    const codexHome = join(home, '.codex');
    mkdirSync(codexHome);
    writeFileSync(
      join(codexHome, 'config.toml'),
      `model = "gpt-5.5"
model_provider = "tollgate"

[model_providers.tollgate]
name = "Tollgate"
base_url = "${baseUrl}"
env_key = "TOLLGATE_KEY"
wire_api = "responses"
`,
    );
    // Its other checks are about the terminal and the installation.
    const { stdout } = await promisify(execFile)(codex.path, ['doctor', '--json', '--network-only'], {
      cwd: home,
      env: { PATH: process.env.PATH, HOME: home, CODEX_HOME: codexHome, TOLLGATE_KEY: scene.secret },
      timeout: TEST_TIMEOUT_MS,
    });
    return JSON.parse(stdout) as Awaited<ReturnType<typeof examine>>;
  }

  it.each(['/v1', ''])(
    'finds nothing wrong with a gateway at the base URL that ends in "%s"',
    async (path) => {
      const { overallStatus, checks } = await examine(`${scene.gateway.url}${path}`);

      expect(overallStatus).toBe('ok');
      expect(checks['network.provider_reachability']).toMatchObject({
        status: 'ok',
        summary: 'active provider endpoints are reachable over HTTP',
        details: {
          'tollgate API inference URL': expect.stringMatching(/ reachable \(HTTP 401\)$/),
          'tollgate API route probe': expect.stringMatching(/ route exists \(HTTP 401\)$/),
        },
      });
      expect(checks['network.websocket_reachability']).toMatchObject({ status: 'ok' });

      // It sends no key, and so finds out no more than whether the routes are there.
      for (const route of [`HEAD ${path}/responses`, `GET ${path}/models`]) {
        const row = await eventually(`a row of ${route}`, async () => {
          const { body } = await scene.gateway.admin.get('/requests');
          return (body as Page<Request>).data.find((made) => made.route === route);
        });
        expect(row).toMatchObject({ status: 401, error_code: 'invalid_api_key' });
      }
    },
    TEST_TIMEOUT_MS,
  );
});
