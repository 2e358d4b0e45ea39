import { messageText } from './item-text.js';

const OPENING =
  'The conversation up to here was compacted to save room. What follows is its summary; the messages of the user before it are kept as they were. Go on from it as if you had the whole conversation.';
const START = '<conversation_summary>';
const END = '</conversation_summary>';

/** The message by which a model learns what a compaction stands for. */
export function summaryMessage(summary: string): Readonly<Record<string, unknown>> {
  const text = `${START}\n${OPENING}\n\n${summary}\n${END}`;
  return { type: 'message', role: 'developer', content: [{ type: 'input_text', text }] };
}

/** Whether a developer message is one of these. */
export function isSummaryMessage({ content }: Readonly<Record<string, unknown>>): boolean {
  return messageText(content).startsWith(START);
}

/** The message in the place of a compaction that only an upstream could read which is gone. */
export function lostCompactionMessage(): Readonly<Record<string, unknown>> {
  const text =
    'A part of this conversation was compacted by a model provider that is not available any more, and its summary cannot be read. The messages of the user are complete. Ask the user, or look at the files, for what is missing.';
  return { type: 'message', role: 'developer', content: [{ type: 'input_text', text: `${START}\n${text}\n${END}` }] };
}
