import { OutageScene } from '../support/outage-scene.js';
import type { Outage } from '../support/own-postgres.js';
import { FAULTLESS } from '../support/request-ledger.js';

let scene: OutageScene;

beforeAll(async () => {
  scene = await OutageScene.start();
});
afterAll(() => scene.stop());

describe('PostgreSQL', () => {
  it.each<Outage>(['stopped', 'frozen', 'read_only'])(
    'may be %s under load: no call fails, and every row is there afterwards',
    async (outage) => {
      const figures = await scene.run({ outage, perSecond: 60, aroundMs: 200, outageMs: 700 });
      expect(figures).toMatchObject({ ...FAULTLESS, failedCalls: 0, wholeCalls: figures.calls });
    },
  );
});
