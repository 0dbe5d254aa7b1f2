/** What an agent is told at the head of the first prompt after its session was forked or taken back. Pure. */
import { type SessionId, shortId } from '#contract/ids.ts';
import type { PastTurn } from './past-turns.ts';
import { quote } from './prompt.ts';
import type { OpenBranch } from './recovery.ts';

export interface BranchNote {
  readonly branch: OpenBranch;
  /** The agent remembers what was said; else the note says it. */
  readonly isCarried: boolean;
  readonly session: SessionId;
  readonly workspace: string;
  /** Oldest first. */
  readonly turns: readonly PastTurn[];
}

/** A prompt has room for about this much of what was said. */
const LONGEST = 30_000;

export function branchNote(note: BranchNote): string {
  const { branch, session, isCarried, turns } = note;
  const where = branch.from === session ? takenBack(branch) : forked(note);
  if (isCarried || turns.length === 0) return `${where}\n\n`;
  const told = newest(turns);
  const left = turns.length - told.length;
  return [
    where,
    'The program that runs you could not carry the conversation over. This is what was said, from the log of the session; what you did besides is in the files:',
    ...(left === 0 ? [] : [`(${left} older turns are left out.)`]),
    ...told,
    'This is where it goes on:\n\n',
  ].join('\n\n');
}

const forked = ({ branch, session, workspace }: BranchNote): string =>
  `[aachat] This session, ${shortId(session)}, was forked from session ${shortId(branch.from)}, which goes on by itself. Your folder is now ${workspace}: it began at the commit on which the other one stood, without its uncommitted changes. Leave the folder of the other one alone.`;

const takenBack = ({ files }: OpenBranch): string =>
  `[aachat] Your owner took this session back: what came after this point is undone in what you remember. ${
    files === true
      ? 'The files were put back as they were then, too.'
      : 'The files were left as they are: look before you rely on what they were.'
  } Messages that were posted meanwhile stay posted.`;

/** As many of the newest turns as there is room for, oldest first. */
function newest(turns: readonly PastTurn[]): readonly string[] {
  let length = 0;
  const told: string[] = [];
  for (const { turnId, prompt, answer } of turns.toReversed()) {
    if (prompt === '') break;
    const said = answer === '' ? 'You answered nothing.' : `You answered:\n${quote(answer)}`;
    const text = `Turn ${shortId(turnId)}, you were told:\n${quote(prompt)}\n\n${said}`;
    length += text.length;
    if (length > LONGEST) break;
    told.unshift(text);
  }
  return told;
}
