/** The built program in a scratch home, as a person would use it. */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { ProcessIdentity } from '#base/process.ts';
import { shellQuote } from '#runtime/shim.ts';
import { run as runHere } from './command.ts';
import { eventually } from './eventually.ts';
import { tempDir } from './temp.ts';

const root = join(import.meta.dirname, '..', '..');
/** How the program is started: the bundle, or the single executable (the vitest project says which). */
export const PROGRAM: readonly [file: string, ...args: string[]] =
  process.env['PROGRAM_UNDER_TEST'] === 'executable'
    ? [join(root, 'dist', 'aachat')]
    : [process.execPath, join(root, 'bin', 'aachat.js')];
const [file, ...first] = PROGRAM;
/** The same as a line for a shell. */
export const PROGRAM_LINE = PROGRAM.map(shellQuote).join(' ');

/** Runs a command that must succeed somewhere else than in a scratch home's usual place. */
export const execute = (args: readonly string[], options: { readonly cwd: string; readonly env: NodeJS.ProcessEnv }) =>
  promisify(execFile)(file, [...first, ...args], { ...options, encoding: 'utf8' });

export interface Result {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A home that stops what it started: `up`, its agents, the embedded server. */
export interface ScratchHome extends AsyncDisposable {
  readonly path: string;
  readonly env: Readonly<Record<string, string>>;
  /** Runs a command to its end. */
  run(...args: string[]): Promise<Result>;
  /** Runs a command that must succeed, and parses its `--json` output. */
  json<T>(...args: string[]): Promise<T>;
  /** The same in this process, for what is not the subject of a test: starting the program costs half a second. */
  quick<T>(...args: string[]): Promise<T>;
  /** Starts a command that goes on. */
  start(...args: string[]): RunningCommand;
}

export interface RunningCommand {
  readonly child: ChildProcess;
  /** Everything printed so far. */
  output(): string;
  /** Waits until the output matches. */
  until(pattern: RegExp): Promise<RegExpExecArray>;
  readonly ended: Promise<number | null>;
}

export async function scratchHome(extra: Readonly<Record<string, string>> = {}): Promise<ScratchHome> {
  const dir = await tempDir();
  const path = join(dir.path, 'home');
  const temp = join(dir.path, 'tmp');
  const person = join(dir.path, 'person');
  await Promise.all([temp, person].map((folder) => mkdir(folder)));
  const env = {
    PATH: process.env['PATH'] ?? '',
    HOME: person,
    USER: 'mia',
    LANG: 'C.UTF-8',
    TMPDIR: temp,
    AACHAT_HOME: path,
    AACHAT_LOGIN: 'mia',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_SYSTEM: '/dev/null',
    ...extra,
  };
  const running = new Set<ChildProcess>();

  const start = (...args: string[]): RunningCommand => {
    const child = spawn(file, [...first, ...args], { env, stdio: ['pipe', 'pipe', 'pipe'] });
    running.add(child);
    let printed = '';
    for (const stream of [child.stdout, child.stderr]) {
      // A character may come in two pieces.
      stream.setEncoding('utf8').on('data', (piece: string) => {
        printed += piece;
      });
    }
    // Not at its exit: what it said last may not have come by then.
    const ended = once(child, 'close').then(([code]) => {
      running.delete(child);
      return code as number | null;
    });
    return {
      child,
      ended,
      output: () => printed,
      until: (pattern) =>
        eventually(`${args.join(' ')} prints ${pattern}`, () => pattern.exec(printed)).catch((thrown: Error) => {
          throw new Error(`${thrown.message}; it printed:\n${printed}`, { cause: thrown });
        }),
    };
  };

  const run = async (...args: string[]): Promise<Result> => {
    const child = spawn(file, [...first, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    const [stdout, stderr] = [child.stdout, child.stderr].map((stream) => text(stream));
    const [status] = (await once(child, 'exit')) as [number | null];
    return { status, stdout: (await stdout) ?? '', stderr: (await stderr) ?? '' };
  };

  const here = (...args: string[]): Promise<Result> => runHere(args, { env, self: PROGRAM });

  const data = async <T>(args: readonly string[], outcome: Promise<Result>): Promise<T> => {
    const { status, stdout, stderr } = await outcome;
    if (status !== 0) throw new Error(`aachat ${args.join(' ')} ended with ${status}: ${stdout}${stderr}`);
    return (JSON.parse(stdout) as { data: T }).data;
  };

  return {
    path,
    env,
    start,
    run,
    json: <T>(...args: string[]) => data<T>(args, run(...args, '--json')),
    quick: <T>(...args: string[]) => data<T>(args, here(...args, '--json')),
    [Symbol.asyncDispose]: async () => {
      for (const child of running) child.kill('SIGTERM');
      await eventually('started commands end', () => running.size === 0, 60_000).catch(() => {
        for (const child of running) child.kill('SIGKILL');
      });
      await here('down', '--yes');
      await here('server', 'stop', '--yes');
      await eventually(`no process of ${path} is left`, () => processesOf(path).length === 0);
      await dir[Symbol.asyncDispose]();
    },
  };
}

/** Living processes that mention `home` in their environment or command line. */
export function processesOf(home: string): readonly { readonly pid: number; readonly command: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return [];
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
      const environment = readFileSync(`/proc/${name}/environ`, 'utf8');
      return environment.includes(home) || command.includes(home) ? [{ pid: Number(name), command }] : [];
    } catch {
      return [];
    }
  });
}

/** Who holds the home's `up`, read from its file. */
export function upIdentity(home: string): ProcessIdentity {
  return ProcessIdentity.parse(JSON.parse(readFileSync(join(home, '.run', 'up.json'), 'utf8')));
}
