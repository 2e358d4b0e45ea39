import type { OpenRequest, OpenRequestList } from '../../libs/contract/src/index.js';
import { directive } from '../../apps/simulator/src/simulator.js';
import { findCodex } from '../support/codex.js';
import { eventually } from '../support/eventually.js';
import { CodexScene } from './codex-scene.js';

const codex = findCodex();
const STARTS_MS_MAX = 30_000;

let scene: CodexScene;

/** Ends the call of Codex once it is in that phase. */
async function abortIn(phase: OpenRequest['phase']): Promise<void> {
  const { id } = await eventually(
    `a call in phase ${phase}`,
    async () => {
      const { body } = await scene.gateway.admin.get('/requests/in-flight');
      return (body as OpenRequestList).data.find((one) => one.kind === 'response' && one.phase === phase);
    },
    STARTS_MS_MAX,
  );
  expect((await scene.gateway.admin.post(`/requests/${id}/abort`)).status).toBe(202);
}

(codex ? describe : describe.skip)(`Codex ${codex?.version ?? ''} whose call an operator ends`, () => {
  beforeAll(async () => void (scene = await CodexScene.start()));
  afterAll(() => scene.stop());

  const run = (prompt: string) => scene.run(codex as NonNullable<typeof codex>, [prompt]);

  it('before its answer has begun makes one request and shows why', async () => {
    const running = run(`One ${directive({ first_delay_ms: 60_000 })}`);
    await abortIn('waiting_for_upstream');
    const stopped = await running;
    expect(stopped.code).not.toBe(0);
    expect(stopped.error).toContain('An operator of this gateway has ended this request.');
    const rows = await scene.rowsOf(stopped);
    expect(rows).toMatchObject([{ status: 400, outcome: 'aborted', error_code: 'aborted_by_operator' }]);
  });

  it('in the midst of its answer makes no other request either, and shows why', async () => {
    const first = scene.simulator.nextExchange();
    const running = run(`Two ${directive({ hold_after_events: 6 })}`);
    await (await first).sent(6);
    await abortIn('answering');
    const stopped = await running;
    expect(stopped.code).not.toBe(0);
    expect(stopped.error).toContain('An operator of this gateway has ended this request.');
    const rows = await scene.rowsOf(stopped);
    expect(rows).toMatchObject([{ status: 200, outcome: 'aborted', error_code: 'aborted_by_operator' }]);
  });
});
