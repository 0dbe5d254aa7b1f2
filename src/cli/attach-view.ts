/** What `session attach` shows. Pure: events in, text out; text of the agent as it comes, everything else as lines. */
import type { SessionEvent } from '#contract/attachment.ts';
import type { LiveSession, PendingPermission } from '#contract/control.ts';
import { shortId } from '#contract/ids.ts';
import { problemLines, stateWord } from './live-view.ts';
import { clockTime, indent, type Paint, plain } from './output.ts';

export interface AttachView {
  /** The request whose keys were shown. */
  readonly asks: PendingPermission | undefined;
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
  let waiting: readonly PendingPermission[] = [];

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
      case 'asked': {
        const { permission } = event;
        if (waiting.some(({ id }) => id === permission.id)) return '';
        waiting = [...waiting, permission];
        return lines(...question(permission));
      }
      case 'settled': {
        const { id, outcome, by, title } = event.permission;
        const [first] = waiting;
        waiting = waiting.filter((one) => one.id !== id);
        const [next] = waiting;
        return lines(
          dim(`${outcome}${by === null ? '' : ` by ${plain(by)}`}: ${oneLine(title)}`),
          ...(steers && next !== undefined && next !== first ? question(next) : []),
        );
      }
      case 'turn':
        tools.clear();
        return lines(dim(`turn ${shortId(event.turnId)} ${event.state} (${event.stopReason})`));
      case 'dropped':
        state = '';
        waiting = [];
        return lines(dim(`(${event.count} events were left out: this was read too slowly; session log has all)`));
    }
  }

  /** Keys are for one request at a time: the others are shown with them when it is their turn. */
  function question(permission: PendingPermission): readonly string[] {
    const { id, agent, title, expiresAt } = permission;
    const keys = permission === waiting[0] ? 'y allow once   n deny' : 'waits until the one before is answered';
    const how = steers ? keys : `aachat permission allow | deny ${shortId(id)}`;
    return [yellow(`${agent} asks: ${oneLine(title)}`), `  ${how}   (until ${clockTime(expiresAt)})`];
  }

  return {
    show,
    get asks() {
      return waiting[0];
    },
  };
}

const oneLine = (text: string): string => plain(text).replace(/\s+/g, ' ').trim().slice(0, 300);

function shortened(text: string): string {
  const all = text.split('\n');
  if (all.length <= PROMPT_LINES) return text;
  return [...all.slice(0, PROMPT_LINES), `… ${all.length - PROMPT_LINES} more lines`].join('\n');
}
