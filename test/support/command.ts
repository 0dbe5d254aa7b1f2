/** Commands without a process: the world that they get, as values, and what they printed. */
import { join } from 'node:path';
import { Readable, Writable } from 'node:stream';
import type { CommandContext, CommandFacts } from '#cli/context.ts';
import { runCommand } from '#cli/exit.ts';
import type { Paint } from '#cli/live-view.ts';
import { createOutput } from '#cli/output.ts';
import { createHttpClient } from '#client/http.ts';
import type { Engine } from '#runtime/engine.ts';
import { openHome } from '#runtime/home.ts';

class Printed extends Writable {
  text = '';
  readonly isTTY: boolean;
  constructor(isTTY: boolean) {
    super();
    this.isTTY = isTTY;
  }
  override _write(chunk: unknown, _: unknown, done: () => void): void {
    this.text += String(chunk);
    done();
  }
}

export interface World {
  readonly env?: NodeJS.ProcessEnv;
  readonly name?: 'aachat' | 'chat';
  readonly stdin?: Iterable<Uint8Array>;
  readonly isTerminal?: boolean;
  readonly cwd?: string;
  readonly signal?: AbortSignal;
  /** How it starts itself, such as in the background; absent: it cannot. */
  readonly self?: Engine['self'];
}

/** Colours of a terminal that wants none. */
export const NO_PAINT: Paint = { dim: String, good: String, busy: String, bad: String };

/** What ships with the program. */
const SKILLS = join(import.meta.dirname, '..', '..', 'skills');

export function commandFacts(
  argv: readonly string[],
  { env = {}, name = 'aachat', stdin = [], isTerminal = false, cwd = '/', signal, self = ['/nowhere/aachat'] }: World,
) {
  const [stdout, stderr] = [new Printed(isTerminal), new Printed(isTerminal)];
  const facts: CommandFacts = {
    argv,
    name,
    env,
    cwd,
    stdin: Readable.from(stdin),
    stdout,
    stderr,
    signal: signal ?? new AbortController().signal,
    onInterrupt: () => () => {},
    interrupt: () => {},
    engine: {
      self,
      scripted: ['/nowhere/scripted-agent'],
      module: ['/nowhere/node'],
      root: undefined,
    },
    skillsDir: SKILLS,
    version: '0.0.0-test',
  };
  return { facts, stdout: () => stdout.text, stderr: () => stderr.text };
}

export interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs one command line to its end, as `main.ts` does. */
export async function run(argv: readonly string[], world: World = {}): Promise<Outcome> {
  const { facts, stdout, stderr } = commandFacts(argv, world);
  const status = await runCommand(facts);
  return { status, stdout: stdout(), stderr: stderr() };
}

/** Answers of a server by `METHOD /path`; a value, or a function of the request. */
export type Answers = Readonly<Record<string, unknown>>;

/** A context whose server is a table. What it does not answer is a failure of the test. */
export function testContext(answers: Answers, world: World & { readonly inSession?: boolean } = {}) {
  const requests: { readonly what: string; readonly body: unknown }[] = [];
  const { facts, stdout, stderr } = commandFacts([], { isTerminal: true, ...world });
  const url = new URL('http://server.invalid');
  const http = createHttpClient({
    baseUrl: url,
    token: async () => 'token',
    fetch: async (input, init) => {
      const request = new Request(input as URL, init);
      const { pathname, searchParams } = new URL(request.url);
      const what = `${request.method} ${pathname}`;
      const text = await request.text();
      requests.push({ what, body: text === '' ? Object.fromEntries(searchParams) : JSON.parse(text) });
      if (!(what in answers)) throw new Error(`Nobody answers ${what}.`);
      const answer = answers[what];
      const reply: unknown = typeof answer === 'function' ? answer(requests.at(-1)?.body) : answer;
      return reply instanceof Response ? reply : Response.json(reply);
    },
  });
  const settings = new Map<string, string>();
  const context: CommandContext = {
    ...facts,
    home: openHome('/nowhere/home'),
    config: {
      get: (key) => {
        const value = settings.get(key);
        return value === undefined ? undefined : { value, origin: 'file' };
      },
      keys: () => [...settings.keys()],
      set: async (key, value) => {
        if (value === undefined) settings.delete(key);
        else settings.set(key, value);
      },
    },
    output: createOutput({ stdout: facts.stdout, stderr: facts.stderr, json: false, env: { NO_COLOR: '1' } }),
    inSession: world.inSession ?? false,
    connect: async () => ({ url, http, token: async () => 'token', release: async () => {} }),
  };
  return {
    context,
    settings,
    requests,
    /** Requests that were made, as `METHOD /path`. */
    asked: () => requests.map(({ what }) => what),
    stdout,
    stderr,
  };
}
