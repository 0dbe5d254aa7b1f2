/** `aachat session attach`: a session that runs here, as it happens, and a person who steers it. */
import { createInterface } from 'node:readline';
import { AachatError, isAachatError, toAachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { readPidFile } from '#base/pid-file.ts';
import { ownIdentity } from '#base/process.ts';
import { type AttachView, createAttachView } from '#cli/attach-view.ts';
import type { CommandContext } from '#cli/context.ts';
import { createFront } from '#cli/front.ts';
import { attachSession, type SessionEvent } from '#contract/attachment.ts';
import { ATTACHMENT_BEAT_MS, type AttachmentId, CONTROL_ROUTES, type PendingPermission } from '#contract/control.ts';
import { matchId, type SessionId, shortId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { type ControlClient, openControlClient } from '#runtime/control.ts';
import { UpFile } from '#runtime/up-file.ts';
import { liveSessions } from './down.ts';
import { findSession, thisSide } from './session.ts';

/** `aachat session attach <session> [--watch]` */
export async function attach(
  context: CommandContext,
  args: { readonly session: string; readonly watch: boolean },
): Promise<void> {
  const sessionId = await findHere(context, args.session);
  await using up = await openControlClient(context.home.controlSocket);
  const detached = new AbortController();
  const detach = () => detached.abort();
  let steering: Steering | undefined;
  const forget = context.onInterrupt((how) => (steering === undefined ? detach() : steering.interrupted(how)));
  const view = createAttachView(context.output.paint, !args.watch);
  const body = { interactive: !args.watch, holder: ownIdentity() };
  let beat: NodeJS.Timeout | undefined;
  try {
    for await (const event of up.stream(attachSession, { params: { sessionId }, body }, detached.signal)) {
      if (event.type === 'attached') {
        beat = setInterval(() => void sayAlive(context, up, event.attachmentId), ATTACHMENT_BEAT_MS);
        // Not before: what is typed is for the one who may steer.
        if (!args.watch) steering = steer(context, up, sessionId, view, detach);
      }
      const text = view.show(event);
      steering?.hear(event);
      await write(context, event, text);
    }
  } finally {
    clearInterval(beat);
    forget();
    steering?.[Symbol.dispose]();
  }
  if (!detached.signal.aborted)
    context.output.note('Detached: aachat up ended, or somebody else attached in your place.');
}

/** Waits while the terminal or the next program reads no more: the queue is at `up`, where it is bounded. */
async function write({ output, stdout }: CommandContext, event: SessionEvent, text: string): Promise<void> {
  if (output.isJson) output.line(event, '');
  if (!stdout.write(output.isJson ? '' : text))
    await new Promise<void>((resolve) => stdout.once('drain', () => resolve()));
}

async function sayAlive({ output }: CommandContext, up: ControlClient, attachmentId: AttachmentId): Promise<void> {
  try {
    await up.call(CONTROL_ROUTES.beatAttachment, { params: { attachmentId } });
  } catch (thrown) {
    // That `up` is gone, the stream says.
    if (isAachatError(thrown, 'NOT_FOUND')) output.note(thrown.message);
  }
}

/** A second Ctrl+C within this time means the person, not the turn. */
const TWICE_MS = 3_000;

interface Steering extends Disposable {
  hear(event: SessionEvent): void;
  interrupted(how: NodeJS.Signals): void;
}

/** Lines that a person types, and Ctrl+C. */
function steer(
  context: CommandContext,
  up: ControlClient,
  sessionId: SessionId,
  view: Pick<AttachView, 'asks'>,
  detach: () => void,
): Steering {
  const { output, stdin, signal } = context;
  const front = createFront();
  let isWorking = false;
  let interruptedAt = Number.NEGATIVE_INFINITY;

  /** What goes wrong is said; the session goes on, and so does who looks at it. */
  const attempt = (what: () => Promise<unknown>): void => {
    what().catch((thrown: unknown) => {
      const { message, hint } = toAachatError(thrown);
      output.note(hint === undefined ? message : `${message}\n${hint}`);
    });
  };
  const speak = async (said: { kind: 'prompt'; text: string } | { kind: 'cancel' }): Promise<void> => {
    const { http } = await context.connect();
    await http.call(ROUTES.signalSession, { params: { sessionId }, body: { clientId: newId(), ...said } }, signal);
  };
  const answer = async ({ id, digest }: PendingPermission, allow: boolean): Promise<void> => {
    const body = { allow, digest, by: 'aachat session attach' };
    await up.call(CONTROL_ROUTES.answerPermission, { params: { permissionId: id }, body }, signal);
  };

  const lines = createInterface({ input: stdin, terminal: false });
  lines.on('line', (line) => {
    const text = line.trim();
    if (text === '') return;
    if (!/^(y|yes|n|no)$/i.test(text)) {
      attempt(() => speak({ kind: 'prompt', text }));
      return;
    }
    const first = front.take();
    // To the agent it would be a yes to whatever it had in mind.
    if (first === 'none') output.note(`Nothing waits for a ${text}. To say it to the agent, say what it is about.`);
    else if (first === 'too soon') output.note('Another request has just taken its place: read it, then answer.');
    else attempt(() => answer(first, /^y/i.test(text)).finally(() => front.show(view.asks)));
  });
  // Ctrl+D. Where nobody types, such as in a script, looking on goes on.
  lines.on('close', () => {
    if (stdin.isTTY === true) detach();
  });
  if (!output.isJson && stdin.isTTY === true) {
    output.note('Type what it should do next and press Enter. Ctrl+C cancels its turn, twice detaches; it runs on.');
  }
  return {
    hear(event): void {
      if (event.type === 'state') isWorking = /working|permission|stalled/.test(event.session.activity ?? '');
      front.show(view.asks);
    },
    interrupted(how): void {
      const isSecond = Date.now() - interruptedAt < TWICE_MS;
      interruptedAt = Date.now();
      if (how !== 'SIGINT' || isSecond) {
        detach();
        return;
      }
      if (isWorking) attempt(() => speak({ kind: 'cancel' }));
      output.note(isWorking ? 'Cancelling the turn … (Ctrl+C again detaches)' : 'Ctrl+C again detaches.');
    },
    [Symbol.dispose](): void {
      lines.removeAllListeners();
      lines.close();
      stdin.pause();
    },
  };
}

/** @throws AachatError `NOT_FOUND`, or `CONFLICT` for one that does not run on this machine */
async function findHere(context: CommandContext, text: string): Promise<SessionId> {
  const { home } = context;
  const here = await liveSessions(home);
  // Without the server where that is possible: it may be what does not work.
  const [one, ...others] = matchId(
    text,
    here.map(({ sessionId }) => ({ id: sessionId })),
  );
  if (one !== undefined && others.length === 0) return one.id;
  const { http } = await context.connect();
  const session = await findSession(context, http, text);
  if (here.some(({ sessionId }) => sessionId === session.id)) return session.id;
  const name = `Session ${shortId(session.id)} of ${session.agent}`;
  if ((await thisSide(context)).isElsewhere(session)) {
    throw new AachatError('CONFLICT', `${name} runs on ${session.run.machine}, not here.`, {
      hint: `Attach to it there; from here it hears you by \`aachat session send ${shortId(session.id)} "…"\`.`,
    });
  }
  const isUp = (await readPidFile(home.upFile, UpFile)) !== undefined;
  throw new AachatError('CONFLICT', `${name} does not run${isUp ? '' : ', because aachat up does not run here'}.`, {
    hint: isUp ? `Let it go on: aachat session resume ${shortId(session.id)}` : 'Start it with `aachat up`.',
  });
}
