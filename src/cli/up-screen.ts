/**
 * The face of a running `up`: a redrawn block and two keys on a terminal, lines in a pipe, objects with `--json`.
 * What is shown is decided in `live-view.ts`.
 */
import type { ReadStream } from 'node:tty';
import type { LiveSession, MirrorView, PendingPermission } from '#contract/control.ts';
import { createFront } from './front.ts';
import { changedLines, type LiveState, liveBlock, type Paint } from './live-view.ts';
import { jsonLine } from './output.ts';
import { openRedraw, type Terminal } from './redraw.ts';

export interface ScreenOptions {
  readonly stdout: Terminal;
  readonly stdin: NodeJS.ReadableStream & Partial<Pick<ReadStream, 'isTTY' | 'setRawMode'>>;
  readonly json: boolean;
  readonly paint: Paint;
  readonly state: () => LiveState;
  readonly onAnswer: (permission: PendingPermission, allow: boolean) => void;
  /** Ctrl+C while keys are read one by one. */
  readonly onInterrupt: () => void;
}

export interface Screen {
  /** Something changed; drawn at most ten times a second. */
  update(): void;
  /** A line that stays, above the block. */
  say(text: string, data?: Readonly<Record<string, unknown>>): void;
  /** Draws the last state and gives the terminal back. */
  close(): void;
}

const FRAME_MS = 100;

export async function openScreen(options: ScreenOptions): Promise<Screen> {
  if (options.json) return jsonScreen(options);
  if (options.stdout.isTTY !== true) return lineScreen(options);
  return terminalScreen(options, await openRedraw(options.stdout));
}

function terminalScreen(options: ScreenOptions, block: Awaited<ReturnType<typeof openRedraw>>): Screen {
  const { stdout, stdin, paint, state, onAnswer, onInterrupt } = options;
  const front = createFront();
  let timer: NodeJS.Timeout | undefined;
  const draw = () => {
    timer = undefined;
    const now = state();
    block(liveBlock(now, paint, (stdout.columns || 80) - 1));
    front.show(now.permissions[0]);
  };
  const onKey = (bytes: Buffer) => {
    for (const key of bytes.toString('utf8')) {
      if (key === '\u0003') onInterrupt();
      if (!/^[yn]$/i.test(key)) continue;
      const first = front.take();
      if (typeof first === 'object') onAnswer(first, key.toLowerCase() === 'y');
    }
  };
  const reads = stdin.isTTY === true;
  if (reads) {
    stdin.setRawMode?.(true);
    stdin.on('data', onKey);
    stdin.resume();
  }
  draw();
  return {
    update: () => {
      timer ??= setTimeout(draw, FRAME_MS);
    },
    say(text) {
      block.clear();
      stdout.write(`${text}\n`);
      draw();
    },
    close() {
      clearTimeout(timer);
      draw();
      block.done();
      if (!reads) return;
      stdin.off('data', onKey);
      stdin.setRawMode?.(false);
      stdin.pause();
    },
  };
}

function lineScreen({ stdout, state }: ScreenOptions): Screen {
  let shown: LiveState | undefined;
  const update = () => {
    const now = snapshot(state());
    for (const line of changedLines(shown, now)) stdout.write(`${line}\n`);
    shown = now;
  };
  return { update, say: (text) => stdout.write(`${text}\n`), close: update };
}

function jsonScreen({ stdout, state }: ScreenOptions): Screen {
  const written = new Map<string, string>();
  /** Writes what is new about the thing of this key. */
  const write = (type: string, key: string, value: LiveSession | PendingPermission | MirrorView) => {
    const line = jsonLine({ type, ...value });
    if (written.get(key) !== line) stdout.write(line);
    written.set(key, line);
  };
  const update = () => {
    const { sessions, permissions, mirrors } = state();
    for (const session of sessions) write('session', session.sessionId, session);
    for (const permission of permissions) write('permission', permission.id, permission);
    for (const mirror of mirrors) write('documents', mirror.root, mirror);
  };
  const say = (text: string, data = {}) => stdout.write(jsonLine({ type: 'note', text, ...data }));
  return { update, say, close: update };
}

const snapshot = ({ sessions, permissions, mirrors, connected }: LiveState): LiveState => ({
  sessions: [...sessions],
  permissions: [...permissions],
  mirrors: [...mirrors],
  connected,
});
