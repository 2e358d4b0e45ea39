import { OutageScene } from '../support/outage-scene.js';
import type { Outage } from '../support/own-postgres.js';
import { FAULTLESS } from '../support/request-ledger.js';
import { report, setting } from './figures.js';

jest.setTimeout(3_600_000);

describe('PostgreSQL', () => {
  it.each<Outage>(['stopped', 'frozen', 'read_only'])('may be %s under load', async (outage) => {
    const scene = await OutageScene.start();
    const figures = await scene.run({
      outage,
      perSecond: setting('PER_SECOND', 200),
      aroundMs: setting('AROUND_SECONDS', 60) * 1_000,
      outageMs: setting('OUTAGE_SECONDS', 300) * 1_000,
    });
    await scene.stop();
    report(`outage_${outage}`, figures);
    expect(figures).toMatchObject({ ...FAULTLESS, failedCalls: 0, wholeCalls: figures.calls });
    expect(figures.rssGrowthMb).toBeLessThanOrEqual(50);
    expect(figures.backlogMs).toBeLessThanOrEqual(60_000);
  });
});
