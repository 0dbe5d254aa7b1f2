/** What a person would look for in a line of a session's log. Pure. */
import type { LogLine } from './log-events.ts';
import { saidIn } from './prompt.ts';

/** What an agent program says beside these are settings and counters. */
const SPOKEN = [
  'agent_message_chunk',
  'agent_thought_chunk',
  'user_message_chunk',
  'tool_call',
  'tool_call_update',
  'plan',
];
/** Words of the protocol, not of anybody. */
const PROTOCOL = new Set(['_meta', 'sessionUpdate', 'toolCallId', 'messageId', 'type', 'kind', 'status', 'priority']);
/** Nobody looks for what stands further behind in one output. */
const LONGEST = 256 * 1024;

/** @returns empty for a line that nobody would look for. The answer of a turn is among its updates. */
export function textOf(line: LogLine): string {
  switch (line.type) {
    case 'turn.prompted':
      return saidIn(line.prompt).slice(0, LONGEST);
    case 'update':
      return updateText(line.update);
    case 'permission.asked':
      return line.title;
    case 'problem':
      return line.message;
    case 'note':
      return line.text;
    case 'document.lost':
      return line.path;
    default:
      return '';
  }
}

function updateText(update: unknown): string {
  const kind = (update as { readonly sessionUpdate?: unknown } | null)?.sessionUpdate;
  if (typeof kind !== 'string' || !SPOKEN.includes(kind)) return '';
  const texts: string[] = [];
  let length = 0;
  const gather = (value: unknown): void => {
    if (length >= LONGEST) return;
    if (typeof value === 'string') {
      texts.push(value.slice(0, LONGEST - length));
      length += value.length;
    } else if (typeof value === 'object' && value !== null) {
      for (const [name, part] of Object.entries(value)) if (!PROTOCOL.has(name)) gather(part);
    }
  };
  gather(update);
  return texts.join('\n');
}
