import { Simulator } from './simulator.js';

const simulators: Simulator[] = [];
afterEach(() => Promise.all(simulators.splice(0).map((simulator) => simulator.close())));

async function start(name?: string): Promise<Simulator> {
  const simulator = await Simulator.start(name === undefined ? {} : { name });
  simulators.push(simulator);
  return simulator;
}

async function post(simulator: Simulator, body: object): Promise<{ status: number; body: never }> {
  const answer = await fetch(`${simulator.baseUrl}/responses`, {
    method: 'POST',
    body: JSON.stringify({ model: 'gpt-5.5', ...body }),
  });
  return { status: answer.status, body: (await answer.json()) as never };
}

/** The reasoning item of an answer with sealed reasoning. */
async function sealedBy(simulator: Simulator): Promise<object> {
  const answer = await post(simulator, {
    input: '[[sim {"reasoning":true}]]',
    include: ['reasoning.encrypted_content'],
  });
  const { output } = answer.body as { output: [{ encrypted_content: string }] };
  expect(output[0].encrypted_content).toMatch(/^gAAAAAB/);
  return output[0];
}

const withHistory = (item: object) => ({ input: [item, { role: 'user', content: 'and now?' }] });

describe('a named simulator', () => {
  it('reads its own sealed reasoning, also after a restart under the same name', async () => {
    const item = await sealedBy(await start('east'));
    expect((await post(await start('east'), withHistory(item))).status).toBe(200);
  });

  it('refuses a blob of another one as OpenAI does', async () => {
    const item = await sealedBy(await start('east'));
    expect(await post(await start('west'), withHistory(item))).toMatchObject({
      status: 400,
      body: { error: { code: 'invalid_encrypted_content', param: 'input[0].encrypted_content' } },
    });
  });
});

it('a simulator without a name takes blobs of any origin', async () => {
  const item = await sealedBy(await start('east'));
  expect((await post(await start(), withHistory(item))).status).toBe(200);
});
