// oxlint-disable jest/no-standalone-expect -- what every turn and every session must show, in one place
import type { Request, Upstream } from '../../libs/contract/src/index.js';
import { directive, type Exchange, Simulator, type SimulatorOptions } from '../../apps/simulator/src/simulator.js';
import {
  type Codex,
  type CodexGeneration,
  findCodex,
  newCodexHome,
  removeCodexHome,
  runCodex,
} from '../support/codex.js';
import { TestGateway } from '../support/gateway.js';
import { sessionOf } from './codex-scene.js';
import { IS_LONG } from './results.js';

const TURNS = 12;
const COMPACTIONS_MIN = 3;
/** About four turns of the size that the tests make them. */
const AUTO_COMPACT_TOKENS = { current: 7_600, old: 5_500 } as const;
const TEST_TIMEOUT_MS = 120_000;

interface Side {
  readonly simulator: Simulator;
  readonly id: string;
}

/** A gateway, its upstreams, and a session of Codex of which a fact is planted in the first turn, and one in a tool's output. */
class Session {
  private readonly home = newCodexHome();
  readonly exchanges: { simulator: Simulator; exchange: Exchange }[] = [];
  turns = 0;
  private id = '';

  private constructor(
    readonly gateway: TestGateway,
    readonly sides: readonly Side[],
    private readonly secret: string,
    private readonly options: { codex: Codex; providerName: string; autoCompactTokens: number },
  ) {}

  static async start(
    generation: CodexGeneration,
    codex: Codex,
    providerName: string,
    simulations: readonly SimulatorOptions[],
  ): Promise<Session> {
    const gateway = await TestGateway.start();
    const sides: Side[] = [];
    for (const [index, simulation] of simulations.entries()) {
      const simulator = await Simulator.start({ isStrict: true, ...simulation });
      const name = simulation.name ?? `upstream-${index}`;
      const { id } = await gateway.admin.create<Upstream>('/upstreams', {
        name,
        base_url: simulator.baseUrl,
        priority: index + 1,
      });
      sides.push({ simulator, id });
    }
    const { secret } = await gateway.admin.issueKey();
    const autoCompactTokens = AUTO_COMPACT_TOKENS[generation];
    return new Session(gateway, sides, secret, { codex, providerName, autoCompactTokens });
  }

  async stop(): Promise<void> {
    await this.gateway.stop();
    await Promise.all(this.sides.map(({ simulator }) => simulator.close()));
    removeCodexHome(this.home);
  }

  /** One turn, which must end well. */
  async turn(): Promise<void> {
    this.turns++;
    const prompt =
      this.turns === 1
        ? `FACT-ONE is seven. ${directive({ shell: 'echo FACT-TOOL is nine' })}`
        : `Turn ${this.turns}. ${directive({ deltas: 500 })}`;
    const args = this.turns === 1 ? [prompt] : ['resume', this.id, prompt];
    const { gateway, home, secret, options } = this;
    const run = await runCodex({ ...options, baseUrl: `${gateway.url}/v1`, key: secret, home, args });
    this.id ||= sessionOf(run);
    expect({ turn: this.turns, code: run.code, error: run.error }).toEqual({ turn: this.turns, code: 0, error: null });
  }

  async playTo(turn: number): Promise<void> {
    while (this.turns < turn) await this.turn();
  }

  async compactions(): Promise<Request[]> {
    const { body } = await this.gateway.admin.get('/requests?kind=compaction&limit=200');
    return (body as { data: Request[] }).data;
  }

  /** Why its requests have lost the prompt cache. */
  async cacheDropCauses(): Promise<(string | undefined)[]> {
    const { body } = await this.gateway.admin.get('/requests?exclude_cache_drop=&limit=200');
    return (body as { data: Request[] }).data.map(({ cache_drop: drop }) => drop?.cause);
  }

  /** What the model of the last request knows. */
  lastContext(): string {
    const last = this.sides
      .flatMap(({ simulator }) => simulator.exchanges.map((exchange) => ({ simulator, exchange })))
      .reduce((newest, one) => (one.exchange.startedAtMs > newest.exchange.startedAtMs ? one : newest));
    return last.simulator.contextOf(last.exchange);
  }

  expectFactsKnown(): void {
    const context = this.lastContext();
    expect(context).toContain('FACT-ONE is seven');
    expect(context).toContain('FACT-TOOL is nine');
    expect(context).toContain(`Turn ${TURNS}.`);
    for (const { simulator } of this.sides) {
      expect(simulator.exchanges.some(({ body }) => body.includes('tgc1.'))).toBe(false);
    }
  }
}

/** Every answer but those by which an upstream says that it does not know compaction. */
function expectNoFailure(rows: readonly Request[]): void {
  expect(rows.filter(({ outcome }) => outcome !== 'ok')).toEqual([]);
}

const NATIVE: SimulatorOptions = { compaction: 'native', name: 'native' };
const UNKNOWING: SimulatorOptions = { compaction: 'unknown', name: 'unknowing' };

const OTHER: SimulatorOptions = { compaction: 'unknown' };

const CASES = [
  [
    'current',
    'OpenAI',
    'knows compaction',
    { compaction: 'native', name: 'native' },
    { form: 'trigger', by: 'upstream' },
  ],
  ['current', 'OpenAI', 'does not know it', UNKNOWING, { form: 'trigger', by: 'gateway' }],
  ['current', 'OpenAI', 'passes over it', { compaction: 'ignored' }, { form: 'trigger', by: 'gateway' }],
  ['current', 'Tollgate', 'does not know it', OTHER, { form: 'client', by: 'client' }],
  ['old', 'OpenAI', 'knows compaction', NATIVE, { form: 'endpoint', by: 'upstream' }],
  ['old', 'OpenAI', 'does not know it', UNKNOWING, { form: 'endpoint', by: 'gateway' }],
] as const;

const MOVES: [string, SimulatorOptions[]][] = [
  ['knows compaction to one that does not', [NATIVE, UNKNOWING]],
  ['does not know compaction to one that does', [UNKNOWING, NATIVE]],
];

for (const generation of ['current', 'old'] as const) {
  const codex = findCodex(generation);
  const cases = CASES.filter((one) => one[0] === generation && (IS_LONG || one[3] === UNKNOWING));
  const moves = IS_LONG ? MOVES : MOVES.slice(0, generation === 'current' ? 1 : 0);
  if (!IS_LONG)
    process.stderr.write(`Sessions with compactions: ${cases.length + moves.length} of 5; CODEX_LONG=1 runs all.\n`);
  (codex ? describe : describe.skip)(`a session of ${TURNS} turns of Codex ${codex?.version ?? generation}`, () => {
    it.each(cases)(
      '(%s) of a provider named %s goes on behind an upstream that %s',
      async (_, providerName, __, simulation, expected) => {
        const session = await Session.start(generation, codex as Codex, providerName, [simulation]);
        try {
          await session.playTo(TURNS);
          const compactions = await session.compactions();
          expect(compactions.length).toBeGreaterThanOrEqual(COMPACTIONS_MIN);
          expectNoFailure(compactions);
          for (const { compaction } of compactions) expect(compaction).toMatchObject(expected);
          session.expectFactsKnown();
          // Where the prompt is most of what is left, half of it was cached all the same.
          const causes = await session.cacheDropCauses();
          expect(causes.filter((cause) => cause !== 'compaction')).toEqual([]);
        } finally {
          await session.stop();
        }
      },
      TEST_TIMEOUT_MS,
    );

    (moves.length > 0 ? it.each(moves) : it.skip.each(MOVES))(
      'moves in the middle from an upstream that %s',
      async (_, simulations) => {
        const session = await Session.start(generation, codex as Codex, 'OpenAI', simulations);
        try {
          await session.playTo(TURNS / 2);
          expect(await session.compactions()).not.toEqual([]);
          await session.sides[0]?.simulator.close();
          await session.playTo(TURNS);
          const compactions = await session.compactions();
          const makers = compactions.filter(({ outcome }) => outcome === 'ok').map(({ compaction }) => compaction?.by);
          expect(new Set(makers)).toEqual(new Set(['upstream', 'gateway']));
          session.expectFactsKnown();
        } finally {
          await session.stop();
        }
      },
      TEST_TIMEOUT_MS,
    );
  });
}
