/**
 * The face of a running `up`: a redrawn block and two keys on a terminal, lines in a pipe, objects with `--json`.
 * What is shown is decided in `live-view.ts`.
 */
import type { ReadStream, WriteStream } from 'node:tty';
import type { createLogUpdate } from 'log-update';
import type { LiveSession, MirrorView, PendingPermission } from '#contract/control.ts';
import { changedLines, type LiveState, liveBlock, type Paint } from './live-view.ts';
import { jsonLine } from './output.ts';

export interface ScreenOptions {
  readonly stdout: NodeJS.WritableStream & Partial<Pick<WriteStream, 'isTTY' | 'columns' | 'rows'>>;
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

type LogUpdate = ReturnType<typeof createLogUpdate>;

export async function openScreen(options: ScreenOptions): Promise<Screen> {
  if (options.json) return jsonScreen(options);
  if (options.stdout.isTTY !== true) return lineScreen(options);
  // Loaded here: pipes do without it.
  const { createLogUpdate } = await import('log-update');
  return terminalScreen(options, createLogUpdate(sized(options.stdout) as WriteStream, { showCursor: true }));
}

/** Some terminals report a size of 0, which means unknown; taken at its word, nothing would be shown. */
const sized = (stdout: ScreenOptions['stdout']) => ({
  isTTY: stdout.isTTY,
  write: (text: string) => stdout.write(text),
  get columns() {
    return stdout.columns || 80;
  },
  get rows() {
    return stdout.rows || 24;
  },
});

function terminalScreen(options: ScreenOptions, block: LogUpdate): Screen {
  const { stdout, stdin, paint, state, onAnswer, onInterrupt } = options;
  let timer: NodeJS.Timeout | undefined;
  const draw = () => {
    timer = undefined;
    block(liveBlock(state(), paint, (stdout.columns || 80) - 1));
  };
  const onKey = (bytes: Buffer) => {
    for (const key of bytes.toString('utf8')) {
      if (key === '\u0003') onInterrupt();
      const first = state().permissions[0];
      if (first !== undefined && /^[yn]$/i.test(key)) onAnswer(first, key.toLowerCase() === 'y');
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
  const sessions = new Map<string, string>();
  const asked = new Map<string, string>();
  const write = (value: unknown) => stdout.write(jsonLine(value));
  const folders = new Map<string, string>();
  const changed = (seen: Map<string, string>, key: string, value: LiveSession | PendingPermission | MirrorView) => {
    const text = JSON.stringify(value);
    const isNew = seen.get(key) !== text;
    seen.set(key, text);
    return isNew;
  };
  const update = () => {
    const { sessions: now, permissions, mirrors } = state();
    for (const session of now)
      if (changed(sessions, session.sessionId, session)) write({ type: 'session', ...session });
    for (const permission of permissions) {
      if (changed(asked, permission.id, permission)) write({ type: 'permission', ...permission });
    }
    for (const mirror of mirrors) if (changed(folders, mirror.root, mirror)) write({ type: 'documents', ...mirror });
  };
  return { update, say: (text, data = {}) => write({ type: 'note', text, ...data }), close: update };
}

const snapshot = ({ sessions, permissions, mirrors, connected }: LiveState): LiveState => ({
  sessions: [...sessions],
  permissions: [...permissions],
  mirrors: [...mirrors],
  connected,
});
