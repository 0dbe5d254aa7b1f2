/** `aachat session rewind`: a session goes back to the end of one of its turns. */

import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { sleep } from '#base/time.ts';
import type { CommandContext } from '#cli/context.ts';
import { pickById } from '#cli/pick.ts';
import type { HttpClient } from '#client/http.ts';
import type { Session } from '#contract/entities.ts';
import { shortId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { isWritten } from '#runtime/event-log.ts';
import { isHere, notHere, pastOf } from '#runtime/past-turns.ts';
import { endedTurns, type PutBack, type Rewound, requireSnapshots, rewindSession } from '#runtime/rewind.ts';
import { findSession, thisSide } from './session.ts';

/** `aachat session rewind <session> --to <turn> [--files]` */
export async function rewind(
  context: CommandContext,
  args: { readonly session: string; readonly to: string | undefined; readonly files: boolean },
): Promise<void> {
  if (args.to === undefined) {
    throw new AachatError('USAGE', 'It is not said how far back.', {
      hint: `Name a turn with --to; \`aachat session show ${args.session}\` lists them.`,
    });
  }
  const { home, output } = context;
  const { http } = await context.connect();
  const session = await findSession(context, http, args.session);
  if (!(await isHere(home, session.id))) throw notHere(session.id);
  const turns = endedTurns(await pastOf(home, session.id));
  const short = shortId(session.id);
  const turn = pickById(
    args.to,
    turns.map((one) => ({ ...one, id: one.turnId })),
    {
      many: 'turns',
      none: {
        message: `Session ${short} remembers no turn ${args.to} that is over.`,
        hint: `Run \`aachat session show ${short}\` to see its turns.`,
      },
    },
  );
  if (args.files) requireSnapshots(turn);
  const { log } = home.session(session.id);
  const runs = await isWritten(log);
  if (!runs) await refuseElsewhere(context, session);
  let done: Rewound;
  try {
    if (runs) await stop(context, http, session);
    done = await rewindSession(home, session, turn.turnId, args.files);
  } finally {
    // Also after Ctrl+C: what ran before runs afterwards. The server takes a resume only of what has stopped.
    if (runs && (await isReleased(log))) await ask(http, session, 'resume');
  }
  const { putBack } = done;
  const result = { sessionId: session.id, turnId: turn.turnId, putBack, resumed: runs };
  output.result(result, [said(session, turn.turnId, done, runs), ...putBack.map(putBackText)].join('\n'));
}

function said({ id, agent }: Session, turnId: string, { forgotten, isBrokenOff }: Rewound, resumed: boolean): string {
  const later =
    forgotten === 0 ? 'no later turn to forget' : `${forgotten} later ${forgotten === 1 ? 'turn' : 'turns'} forgotten`;
  const again = isBrokenOff
    ? ` What it was working on waits for it again; \`aachat session cancel ${shortId(id)}\` ends that.`
    : '';
  const next = resumed ? 'It is starting again.' : `It goes on with \`aachat session resume ${shortId(id)}\`.`;
  return `Session ${shortId(id)} of ${agent} is back at turn ${shortId(turnId)}: ${later}. ${next}${again}`;
}

function putBackText({ path, commit, before, left, detachedFrom }: PutBack): string {
  return [
    `${path} is as it was, at ${commit.slice(0, 7)}; what it was until now: git show ${before.slice(0, 12)}`,
    ...(detachedFrom === null ? [] : [`branch ${detachedFrom} stays where it is, HEAD is detached`]),
    ...(left === 0 ? [] : [`${left} large ${left === 1 ? 'file is' : 'files are'} left as they are`]),
  ].join('; ');
}

const ask = (http: HttpClient, { id }: Session, kind: 'stop' | 'resume', signal?: AbortSignal) =>
  http.call(ROUTES.signalSession, { params: { sessionId: id }, body: { clientId: newId(), kind } }, signal);

/** The server learns only after a while that a launcher of this machine was killed; its log tells at once. */
async function refuseElsewhere(context: CommandContext, session: Session): Promise<void> {
  if (!(await thisSide(context)).isElsewhere(session)) return;
  const { id, run } = session;
  throw new AachatError('CONFLICT', `Session ${shortId(id)} runs on ${run.machine}.`, { hint: 'Take it back there.' });
}

const STOP_MS = 30_000;
const LOOK_MS = 100;

async function stop({ home, signal }: CommandContext, http: HttpClient, session: Session): Promise<void> {
  await ask(http, session, 'stop', signal);
  if (await isReleased(home.session(session.id).log, signal)) return;
  throw new AachatError('TIMEOUT', `Session ${shortId(session.id)} does not stop.`, {
    hint: 'Run `aachat down`, then try again.',
  });
}

/** Waits until nobody writes a log any more. @returns whether that came to be */
async function isReleased(log: string, signal?: AbortSignal): Promise<boolean> {
  for (const end = Date.now() + STOP_MS; await isWritten(log); ) {
    if (Date.now() > end) return false;
    await sleep(LOOK_MS, signal);
  }
  signal?.throwIfAborted();
  return true;
}
