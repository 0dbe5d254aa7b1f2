/**
 * The text of a prompt: a header written by us, what others said as quoted data, how to answer. Pure.
 *
 * Text of others is inert: every line of it begins with `> `, so no text can close its block or look like a header of
 * ours, and nobody else's words ever stand at the start of a prompt, where a slash would be a command.
 */
import type { Message, Party } from '#contract/entities.ts';
import { type SessionId, shortId, type TurnId } from '#contract/ids.ts';
import { parseConflictPath } from '#contract/paths.ts';
import type { Notice } from './event-log.ts';
import type { InterruptionCause } from './recovery.ts';
import { shellQuote } from './shim.ts';

export interface Instruction {
  readonly text: string;
  /** null: the owner. */
  readonly from: { readonly session: SessionId; readonly agent: string; readonly is: 'parent' | 'child' } | null;
}

export interface PromptInput {
  readonly turnId: TurnId;
  readonly hop: number;
  readonly agent: Party;
  readonly ownerId: string;
  readonly project: string;
  readonly team: string;
  /** Earlier messages of a project that the session is new to. */
  readonly context: readonly Message[];
  readonly messages: readonly Message[];
  /** Unread messages that were left out because there are too many. */
  readonly omitted: number;
  /** What was said to this session itself. */
  readonly instructions: readonly Instruction[];
  /** Edits of the agent that somebody else's stand in the way of. */
  readonly notices: readonly Notice[];
}

/** Without what stands at the head of the first prompt of a conversation. */
export const saidIn = (prompt: string): string => prompt.slice(Math.max(0, prompt.indexOf('[aachat] Turn ')));

/** Words that an agent answers with when it has nothing to say; such an answer is not posted. */
export const SILENCE = 'NOTHING TO SAY';

export function turnPrompt(input: PromptInput): string {
  const { turnId, hop, project, team, context, messages, omitted, instructions, notices } = input;
  const parts = [
    `[aachat] Turn ${shortId(turnId)} in project \`${project}\` of team \`${team}\` (hop ${hop}).`,
    ...notices.map(noticeText),
    ...instructions.map(told),
  ];
  if (context.length > 0) parts.push(`Earlier messages, for context:\n\n${context.map(entry(input)).join('\n\n')}`);
  if (omitted > 0) {
    parts.push(`${omitted} older unread messages are left out; \`aachat project read ${project}\` shows them.`);
  }
  if (messages.length > 0) parts.push(`Unread messages:\n\n${messages.map(entry(input)).join('\n\n')}`);
  parts.push(answering(input));
  return `${parts.join('\n\n')}\n`;
}

/** The prompt of a turn whose first prompt was cut short: the agent may have done part of the work already. */
export function interruptedPrompt(input: PromptInput, cause: InterruptionCause): string {
  const why = {
    crash: 'the program that runs you, or you yourself, ended in the middle of it',
    limit: 'a usage limit was reached in the middle of it',
    login: 'the program that runs you had no valid login',
    stopped: 'your owner stopped aachat in the middle of it',
  }[cause];
  const { turnId, project, team, hop, messages, instructions, notices } = input;
  const asked = [...instructions.map(told), ...messages.map(entry(input))];
  return `${[
    `[aachat] Turn ${shortId(turnId)} in project \`${project}\` of team \`${team}\` (hop ${hop}) was interrupted: ${why}.`,
    ...notices.map(noticeText),
    'Nothing of it was posted. Part of the work may be done: look at the state of things before you repeat anything, then finish the turn.',
    `It was about this:\n\n${asked.join('\n\n')}`,
    answering(input),
  ].join('\n\n')}\n`;
}

function told({ text, from }: Instruction): string {
  if (from === null) return `Your owner tells you, in this session:\n${quote(text)}`;
  const session = `Session ${shortId(from.session)} of ${from.agent}`;
  return from.is === 'child'
    ? `${session}, which was started from this one, reports:\n${quote(text)}`
    : `${session}, which started this one, gives you a task:\n${quote(text)}\n\nThe last message of this turn is reported to it; do not mention it.`;
}

/** Paths are names by the grammar of documents, so they need no quoting. */
function noticeText(notice: Notice): string {
  if ('note' in notice) return notice.note;
  const { path, conflict } = notice;
  if (conflict === null) {
    return `You deleted \`${inDocuments(path)}\` while somebody else edited it, so it is back. Read it before you delete it again.`;
  }
  const command = `aachat doc conflicts ${shellQuote(path)} ${parseConflictPath(conflict)?.number ?? ''}`.trimEnd();
  return [
    `You and somebody else changed the same lines of \`${inDocuments(path)}\`, and theirs are in it.`,
    `Your whole text lies in \`${inDocuments(conflict)}\`: take over what is missing, then delete that file.`,
    `\`${command}\` shows both sides of each of these lines; with \`--take both\` it puts yours below theirs.`,
  ].join(' ');
}

const inDocuments = (path: string): string => `aachat/docs/${path}`;

/** What the agent said woke these agents not, because of the loop guard. */
export function unheard(held: readonly Party[], project: string): string {
  const names = held.map(({ name }) => name).join(', ');
  return `What you said last in \`${project}\` did not wake ${names}: agents had answered each other there for too long without a person, or with nothing new. Nobody answers you because of it; say it again if it still matters.`;
}

/** Whether an answer is worth a message. */
export function isSilence(text: string): boolean {
  const plain = text
    .trim()
    .toLowerCase()
    .replace(/^[\s"'`*_([{<]+|[\s"'`*_.!)\]}>]+$/g, '');
  return (
    plain === '' ||
    plain === SILENCE.toLowerCase() ||
    /^no (response|reply|answer)( is)? (requested|needed|required|necessary)$/.test(plain)
  );
}

const answering = ({ project, hop }: PromptInput): string =>
  [
    `How to answer: the last message of this turn is posted to \`${project}\` for you, so do not send it yourself.`,
    `Begin with @name only where somebody must act${hop > 1 ? '; do not mention an agent just to be polite' : ''}.`,
    `If there is nothing to say, answer exactly: ${SILENCE}`,
  ].join(' ');

const entry =
  ({ agent, ownerId }: PromptInput) =>
  (message: Message): string => {
    const { author } = message;
    const kind = author.kind === 'agent' ? 'agent' : author.id === ownerId ? 'person, your owner' : 'person';
    const facts = [
      `message ${shortId(message.id)} from ${author.name} (${kind}${message.via === null ? '' : `, through ${message.via}`})`,
      `at ${message.createdAt}`,
      ...(message.hop > 0 ? [`hop ${message.hop}`] : []),
      ...(message.replyTo === null ? [] : [`in reply to ${shortId(message.replyTo)}`]),
      ...(message.mentions.some(({ id }) => id === agent.id) ? ['mentions you'] : []),
    ];
    return `${facts.join(', ')}:\n${quote(message.body)}`;
  };

/** Everything that any reader could take for the end of a line. */
const LINE_ENDS = /\r\n|[\n\r\v\f\u0085\u2028\u2029]/;
/** Control characters, and marks that make text read in another order than it is stored. */
const INVISIBLE = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/gu;

/** Makes text of others inert: no line of it can be taken for one of ours. */
export function quote(text: string): string {
  return text
    .split(LINE_ENDS)
    .map((line) => `> ${line.replaceAll('\t', '    ').replace(INVISIBLE, '')}`)
    .join('\n');
}
