import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Request } from '../../libs/contract/src/index.js';
import { directive } from '../../apps/simulator/src/simulator.js';
import { type Codex, type CodexRun, newCodexHome, removeCodexHome } from '../support/codex.js';
import { CodexScene } from './codex-scene.js';
import type { ErrorCase, Expected } from './error-cases.js';
import { noiseImage } from './noise-image.js';
import type { ErrorCost } from './tables.js';

const NO_RETRIES = { request_max_retries: 0, stream_max_retries: 0 };
const NOTHING_LISTENS = 'http://127.0.0.1:9/v1';

/** A case to be played with one Codex. */
export interface ErrorRun {
  case: ErrorCase;
  codex: Codex;
  expected: Expected;
  /** Whether Codex may retry as it does by default. */
  isFull: boolean;
  timeLimitMs: number;
  /** What it cost, or why that is not known; null until then. */
  outcome: ErrorCost | Error | null;
}

/** Gateways that serve, and those that cannot. */
export class ErrorScenes {
  private readonly scenes = new Map<ErrorCase['upstream'], CodexScene>();

  /** Plays all runs, some of them at once, and looks into the logs when all are at rest. */
  async play(runs: readonly ErrorRun[], runsAtOnce: number): Promise<void> {
    for (const upstream of new Set(runs.map((run) => run.case.upstream))) {
      this.scenes.set(upstream, await startScene(upstream));
    }
    const ended = new Map<ErrorRun, CodexRun>();
    const waiting = [...runs];
    const work = async () => {
      for (let run = waiting.shift(); run; run = waiting.shift()) {
        try {
          ended.set(run, await playOne(run, this.sceneOf(run)));
        } catch (error) {
          run.outcome = error as Error;
        }
      }
    };
    await Promise.all(Array.from({ length: runsAtOnce }, work));
    for (const [run, session] of ended) run.outcome = await costOf(run, session, this.sceneOf(run));
  }

  async stop(): Promise<void> {
    await Promise.all([...this.scenes.values()].map((scene) => scene.stop()));
  }

  private sceneOf(run: ErrorRun): CodexScene {
    return this.scenes.get(run.case.upstream) as CodexScene;
  }
}

async function startScene(upstream: ErrorCase['upstream']): Promise<CodexScene> {
  const scene = await CodexScene.start();
  if (upstream === 'disabled') await scene.changeUpstream({ enabled: false });
  if (upstream === 'unreachable') await scene.changeUpstream({ base_url: NOTHING_LISTENS });
  return scene;
}

async function playOne(run: ErrorRun, scene: CodexScene): Promise<CodexRun> {
  const { mistake = {}, fault, settings = {} } = run.case;
  const home = newCodexHome();
  try {
    const pictures = (mistake.picturesPx ?? []).map((widthPx, index) => {
      const file = join(home, `${index}.png`);
      writeFileSync(file, noiseImage(widthPx));
      return file;
    });
    const prompt = fault ? `Say hello ${directive({ text: 'Hello from Tollgate', fault })}` : 'Say hello';
    const args = [prompt, ...pictures.flatMap((file) => ['-i', file])];
    return await scene.run(run.codex, mistake.model ? ['-m', mistake.model, ...args] : args, {
      home,
      baseUrl: `${scene.gateway.url}${mistake.path ?? '/v1'}`,
      key: mistake.key ? mistake.key(scene.secret) : scene.secret,
      settings: run.isFull ? settings : { ...settings, ...NO_RETRIES },
      timeLimitMs: run.timeLimitMs,
    });
  } finally {
    removeCodexHome(home);
  }
}

async function costOf(run: ErrorRun, session: CodexRun, scene: CodexScene): Promise<ErrorCost> {
  const rows = await scene.rowsOf(session);
  const last = rows.at(-1);
  return {
    what: run.case.what,
    version: run.codex.version,
    answer: answerOf(last),
    requests: rows.length,
    upstreamRequests: scene.exchangesOf(session).length,
    seconds: Math.round(session.durationMs / 1000),
    text: (session.error ?? '').replaceAll(scene.gateway.url, 'URL').replaceAll(last?.id ?? 'no request', 'ID'),
    exitCode: session.code,
  };
}

function answerOf(row: Request | undefined): string {
  if (!row) return 'nothing: it is not asked';
  const { status, error_code, outcome } = row;
  const code = error_code === null ? '' : ` \`${error_code}\``;
  if (status !== 200) return `${status}${code}`;
  if (error_code === 'max_output_tokens' || error_code === 'content_filter') {
    return `200, then \`response.incomplete\`${code}`;
  }
  if (error_code !== null) return `200, then \`response.failed\`${code}`;
  return outcome === 'client_left' ? '200, until Codex hangs up' : '200';
}
