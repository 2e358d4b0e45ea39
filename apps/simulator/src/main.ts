import { Simulator } from './simulator.js';

const env = process.env;
const models = env['SIMULATOR_MODELS']
  ?.split(',')
  .map((model) => model.trim())
  .filter(Boolean);

const simulator = await Simulator.start({
  host: env['SIMULATOR_HOST'] ?? '127.0.0.1',
  port: numberFrom('SIMULATOR_PORT', 0),
  deltaDelayMs: numberFrom('SIMULATOR_DELTA_DELAY_MS', 0),
  // A process is a demo or a load target: it has to run for days in the same memory.
  recordRequests: env['SIMULATOR_RECORD_REQUESTS'] === 'true',
  ...(models?.length ? { models } : {}),
  ...(env['SIMULATOR_NAME'] ? { name: env['SIMULATOR_NAME'] } : {}),
});

if (process.send) {
  process.send({ type: 'ready', url: simulator.url, baseUrl: simulator.baseUrl });
  process.once('disconnect', () => void stop());
} else {
  const example = `curl -N ${simulator.baseUrl}/responses -H 'content-type: application/json' -d '{"model":"gpt-5.5","stream":true,"input":"Hello"}'`;
  console.log(`Simulated OpenAI Responses API at ${simulator.baseUrl}. Try: ${example}`);
}
process.once('SIGTERM', () => void stop());
process.once('SIGINT', () => void stop());

async function stop(): Promise<void> {
  await simulator.close();
  process.exit(0);
}

function numberFrom(name: string, fallback: number): number {
  const text = env[name]?.trim();
  if (!text) return fallback;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 0) return value;
  console.error(`${name} must be a whole number from 0 on, not '${text}'.`);
  return process.exit(1);
}
