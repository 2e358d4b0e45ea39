import { directive, Simulator } from './simulator.js';

interface Item {
  type: string;
  name?: string;
  namespace?: string;
  arguments?: string;
  call_id?: string;
  content?: { text: string }[];
}

let simulator: Simulator;

beforeAll(async () => {
  simulator = await Simulator.start();
});
afterAll(() => simulator.close());

const DEVELOPER = { type: 'message', role: 'developer', content: [{ type: 'input_text', text: 'You are Codex.' }] };
const ENVIRONMENT = userMessage('<environment_context>…</environment_context>');
const EXEC_COMMAND = { type: 'function', name: 'exec_command', parameters: {} };
const PATCH = { type: 'custom', name: 'apply_patch' };

function userMessage(text: string): object {
  return { type: 'message', role: 'user', content: [{ type: 'input_text', text }] };
}

/** One request as Codex sends it, read as Codex reads it: by the done items only. */
async function turn(input: object[], tools?: object[]): Promise<Item[]> {
  const body = { model: 'gpt-5.5', stream: true, input, tools, store: false, include: ['reasoning.encrypted_content'] };
  const response = await fetch(`${simulator.url}/responses`, { method: 'POST', body: JSON.stringify(body) });
  const datas = (await response.text()).match(/^data: .*$/gm) ?? [];
  const events = datas.map((line) => JSON.parse(line.slice(6)) as { type: string; item: Item });
  expect(events.at(-1)?.type).toBe('response.completed');
  return events.filter((event) => event.type === 'response.output_item.done').map((event) => event.item);
}

describe('a tool loop like that of Codex', () => {
  it('calls exec_command once, then answers with its output', async () => {
    const input = [
      DEVELOPER,
      ENVIRONMENT,
      userMessage(`List it ${directive({ shell: 'ls -la "a b"', reasoning: true })}`),
    ];
    const [reasoning, call] = await turn(input, [EXEC_COMMAND, PATCH]);
    expect(reasoning?.type).toBe('reasoning');
    expect(call).toMatchObject({ type: 'function_call', name: 'exec_command' });
    expect(JSON.parse(call?.arguments ?? '')).toEqual({ cmd: 'ls -la "a b"' });

    const output = { type: 'function_call_output', call_id: call?.call_id, output: 'exit code 0\nREADME.md' };
    const items = await turn([...input, reasoning ?? {}, call ?? {}, output], [EXEC_COMMAND, PATCH]);
    expect(items.map((item) => item.type)).toEqual(['reasoning', 'message']);
    expect(items[1]?.content?.[0]?.text).toBe('The command answered: exit code 0 README.md');
  });

  it('answers the next user message after the loop as a new turn', async () => {
    const past = [{ type: 'function_call_output', call_id: 'c', output: 'old' }];
    const [item] = await turn([userMessage(directive({ shell: 'ls' })), ...past, userMessage('Thanks')]);
    expect(item?.content?.[0]?.text).toContain('You said: "Thanks"');
  });

  it('finds exec_command inside a namespace of additional_tools', async () => {
    const additional = {
      type: 'additional_tools',
      role: 'developer',
      tools: [{ type: 'namespace', name: 'workspace', tools: [EXEC_COMMAND] }],
    };
    const [call] = await turn([additional, userMessage(directive({ shell: 'pwd' }))]);
    expect(call).toMatchObject({ name: 'exec_command', namespace: 'workspace' });
  });

  it('falls back to the shell tool', async () => {
    const [call] = await turn([userMessage(directive({ shell: 'pwd' }))], [{ type: 'function', name: 'shell' }]);
    expect(call?.name).toBe('shell');
    expect(JSON.parse(call?.arguments ?? '')).toEqual({ command: ['bash', '-lc', 'pwd'] });
  });

  it('answers the output of a custom tool', async () => {
    const script = directive({ call: { name: 'apply_patch', input: '*** Begin Patch' } });
    const [call] = await turn([userMessage(script)], [PATCH]);
    expect(call).toMatchObject({ type: 'custom_tool_call', name: 'apply_patch' });
    const output = { type: 'custom_tool_call_output', call_id: call?.call_id, output: 'Success.' };
    const [item] = await turn([userMessage(script), call ?? {}, output], [PATCH]);
    expect(item?.content?.[0]?.text).toBe('The command answered: Success.');
  });

  it('calls the tools of a round at once, and those of the next when all of them have answered', async () => {
    const [one, two] = [
      { name: 'exec_command', arguments: { cmd: 'one' } },
      { name: 'exec_command', arguments: { cmd: 'two' } },
    ];
    const script = { rounds: [[one, two], [{ name: 'apply_patch', input: '***' }]], text: 'Done' };
    const output = (call_id?: string) => ({ type: 'function_call_output', call_id, output: 'ok' });

    const asked = [userMessage(directive(script))];
    const first = await turn(asked, [EXEC_COMMAND, PATCH]);
    expect(first.map((item) => item.arguments)).toEqual(['{"cmd":"one"}', '{"cmd":"two"}']);
    const answered = [...asked, ...first, ...first.map((call) => output(call.call_id))];
    const second = await turn(answered, [EXEC_COMMAND, PATCH]);
    expect(second).toMatchObject([{ type: 'custom_tool_call', name: 'apply_patch' }]);
    const patched = { ...output(second[0]?.call_id), type: 'custom_tool_call_output' };
    const [message] = await turn([...answered, ...second, patched], [EXEC_COMMAND, PATCH]);
    expect(message?.content?.[0]?.text).toBe('Done');
  });

  it('searches for tools, and calls what was found in its namespace', async () => {
    const search = { name: 'tool_search', arguments: { query: 'agents' } };
    const asked = [userMessage(directive({ rounds: [[search], [{ name: 'spawn_agent', arguments: {} }]] }))];
    const [call] = await turn(asked);
    expect(call).toMatchObject({ type: 'tool_search_call', execution: 'client', arguments: { query: 'agents' } });
    const tools = [{ type: 'namespace', name: 'multi_agent', tools: [{ type: 'function', name: 'spawn_agent' }] }];
    const found = { type: 'tool_search_output', call_id: call?.call_id, tools };
    const [spawn] = await turn([...asked, call ?? {}, found]);
    expect(spawn).toMatchObject({ type: 'function_call', name: 'spawn_agent', namespace: 'multi_agent' });
  });
});
