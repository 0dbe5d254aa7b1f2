/** What `session attach` shows. Pure: events in, text out; text of the agent as it comes, everything else as lines. */
import type { SessionEvent } from '#contract/attachment.ts';
import type { LiveSession, PendingPermission } from '#contract/control.ts';
import { shortId } from '#contract/ids.ts';
import { problemLines, stateWord } from './live-view.ts';
import { clockTime, indent, type Paint, plain } from './output.ts';

export interface AttachView {
  /** What to write for an event, with its line ends. */
  show(event: SessionEvent): string;
}

/** A prompt can be as long as what an agent has to read. */
const PROMPT_LINES = 12;

/** @param steers a person answers by keys; else it is said which command does */
export function createAttachView(paint: Pick<Paint, 'dim' | 'yellow' | 'red' | 'bold'>, steers: boolean): AttachView {
  const { dim, yellow, red, bold } = paint;
  /** The text that is being written: whose it is; null: a line begins. */
  let writing: string | null = null;
  let endsLine = true;
  let state = '';
  const tools = new Map<string, string>();

  const lines = (...said: readonly string[]): string => {
    if (said.length === 0) return '';
    const start = endsLine ? '' : '\n';
    writing = null;
    endsLine = true;
    return `${start}${said.join('\n')}\n`;
  };

  function text(event: Extract<SessionEvent, { type: 'text' }>): string {
    const whose = `${event.turnId} ${event.messageId} ${event.isThought}`;
    const start = writing === whose || endsLine ? '' : '\n';
    const words = plain(event.text);
    if (words === '') return '';
    writing = whose;
    endsLine = words.endsWith('\n');
    return start + (event.isThought ? dim(words) : words);
  }

  function stateLines(session: LiveSession): readonly string[] {
    const now = [`— ${session.agent} ${stateWord(session)} —`, ...problemLines(session)];
    const said = now.join('\n');
    if (said === state) return [];
    state = said;
    const [head = '', ...problems] = now;
    return [dim(head), ...problems.map((line) => red(line))];
  }

  function show(event: SessionEvent): string {
    switch (event.type) {
      case 'attached':
        return '';
      case 'state':
        return lines(...stateLines(event.session));
      case 'prompt':
        return lines(bold(`turn ${shortId(event.turnId)}`), dim(indent(shortened(plain(event.text).trim()), 4)));
      case 'text':
        return text(event);
      case 'tool': {
        const title = event.title ?? tools.get(event.toolCallId) ?? '?';
        const isNew = !tools.has(event.toolCallId);
        tools.set(event.toolCallId, title);
        if (event.status === 'failed') return lines(red(`tool failed: ${oneLine(title)}`));
        return isNew ? lines(yellow(`tool: ${oneLine(title)}`)) : '';
      }
      case 'asked':
        return lines(
          yellow(`${event.permission.agent} asks: ${oneLine(event.permission.title)}`),
          how(event.permission),
        );
      case 'settled': {
        const { outcome, by, title } = event.permission;
        return lines(dim(`${outcome}${by === null ? '' : ` by ${plain(by)}`}: ${oneLine(title)}`));
      }
      case 'turn':
        tools.clear();
        return lines(dim(`turn ${shortId(event.turnId)} ${event.state} (${event.stopReason})`));
      case 'dropped':
        state = '';
        return lines(dim(`(${event.count} events were left out: this was read too slowly; session log has all)`));
    }
  }

  const how = ({ id, expiresAt }: PendingPermission): string =>
    steers
      ? `  y allow once   n deny   (until ${clockTime(expiresAt)})`
      : `  aachat permission allow | deny ${shortId(id)}   (until ${clockTime(expiresAt)})`;

  return { show };
}

const oneLine = (text: string): string => plain(text).replace(/\s+/g, ' ').trim().slice(0, 300);

function shortened(text: string): string {
  const all = text.split('\n');
  if (all.length <= PROMPT_LINES) return text;
  return [...all.slice(0, PROMPT_LINES), `… ${all.length - PROMPT_LINES} more lines`].join('\n');
}
