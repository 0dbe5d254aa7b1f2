/**
 * One agent process, spoken to over ACP (version 1): newline-delimited JSON-RPC on its stdin and stdout.
 *
 * The SDK has no time limits, does not wait for update handlers, and leaves permission requests open on a cancel; all
 * of that is dealt with here. Callers see a conversation that takes one prompt at a time.
 */
import { Readable, Writable } from 'node:stream';
import { setImmediate as nextRound } from 'node:timers/promises';
import type * as acp from '@agentclientprotocol/sdk';
import { aborted, within } from '#base/async.ts';
import { AachatError } from '#base/errors.ts';
import type { Log } from '#base/log.ts';
import type { AgentProgram } from './agent-program.ts';
import {
  NOT_FOUND,
  type OpenConversation,
  type Opened,
  openConversation,
  type Place,
  TIMED_OUT,
} from './conversation.ts';
import { type LeasedProcess, spawnLeased } from './lease.ts';
import { createToolCalls, type PermissionRequest, type ToolCalls } from './tool-calls.ts';
import {
  AUTH_REQUIRED,
  countersOf,
  exited,
  explain,
  failureOf,
  noLogin,
  record,
  type Spent,
  type TurnOutcome,
} from './turn-outcome.ts';
import { createTurnReader, type TurnReader } from './turn-reader.ts';
import { watchUnprompted } from './unprompted.ts';

export type { PermissionRequest } from './tool-calls.ts';
export type { TurnOutcome } from './turn-outcome.ts';

type Sdk = typeof acp;
export type AgentUpdate = acp.SessionUpdate;

export type PermissionAnswer =
  | { readonly kind: 'selected'; readonly optionId: string }
  | { readonly kind: 'cancelled' };

export interface AgentOptions {
  readonly program: AgentProgram;
  /** The whole environment: nothing is inherited. */
  readonly env: Readonly<Record<string, string>>;
  readonly leasesDir: string;
  readonly sessionId: string;
  readonly open: OpenConversation;
  /** Called in order; must not wait. */
  readonly onUpdate: (update: AgentUpdate) => void;
  readonly onPermission: (request: PermissionRequest) => Promise<PermissionAnswer>;
  /** The agent works though nobody asked, and when it is done with that. */
  readonly onUnprompted: (state: 'started' | 'ended') => void;
  readonly log: Log;
  readonly signal?: AbortSignal;
}

export interface Agent extends AsyncDisposable {
  readonly pid: number;
  /** The program's own id of the conversation. */
  readonly conversation: string;
  readonly opened: Opened;
  readonly info: { readonly name: string; readonly version: string };
  /** What the conversation has cost so far, in millionths of a dollar; undefined: unknown. */
  readonly costMicros: number | undefined;
  /** What a person should know about how it was opened, such as a mode that was refused. */
  readonly warnings: readonly string[];
  /** Aborts when the process or its connection ends, whoever ended it. */
  readonly closed: AbortSignal;
  /**
   * Runs one turn. A second prompt while one is open is a bug and throws.
   *
   * @param onSpent hears what the turn has used so far, each time that the program tells; must not wait
   */
  prompt(text: string, onSpent?: (spent: Spent) => void): Promise<TurnOutcome>;
  /**
   * Asks the agent to end the turn, which then resolves `cancelled`, and answers its open permission requests.
   *
   * @returns whether a turn was open
   */
  cancel(): boolean;
}

interface Turn {
  readonly reader: TurnReader;
  readonly calls: ToolCalls;
  readonly over: AbortController;
  readonly onSpent: ((spent: Spent) => void) | undefined;
  isCancelled: boolean;
}

const INITIALIZE_MS = 30_000;
/** A program that was told to end closes its output within this, also on a busy machine: first it ends what it started. */
const DYING_MS = 10_000;

/**
 * Starts an agent program and opens one conversation.
 *
 * The caller owns the result: disposing it ends the process and everything that it started, and returns once they are
 * gone. If this function throws, nothing is left running.
 *
 * @throws AachatError `AGENT_FAILED` when the program does not start or does not speak ACP, `CANCELLED` when `signal`
 *   aborts first
 */
export async function openAgent(options: AgentOptions): Promise<Agent> {
  const { program, env, leasesDir, sessionId, open, log, signal } = options;
  const { command } = program;
  const child = await spawnLeased({ leasesDir, sessionId, command, cwd: open.cwd, env });
  try {
    // It is large: loaded while the program starts.
    const sdk = await import('@agentclientprotocol/sdk');
    return await converse(options, child, sdk);
  } catch (cause) {
    const last = await within(500, child.exited);
    await child.stop();
    if (signal?.aborted) throw new AachatError('CANCELLED', 'Starting the agent was cancelled.', { cause });
    if (cause instanceof AachatError) throw cause;
    log.warn('agent.open_failed', { program: program.origin, stderr: lastWords(child) });
    const { code } = record(cause);
    if (code === AUTH_REQUIRED) {
      const { message, hint } = noLogin(program.login);
      throw new AachatError('AGENT_FAILED', message, { hint, cause, details: { login: false } });
    }
    const why = code === TIMED_OUT ? 'it did not answer in time' : explain(cause);
    const how = last === undefined ? why : `it ended with ${last.signal ?? `status ${last.code}`}`;
    throw new AachatError('AGENT_FAILED', `${program.origin} did not start as an ACP agent: ${how}.`, {
      hint: `Run \`${command.join(' ')}\` by hand to see why. Its last words: ${lastWords(child)}`,
      cause,
    });
  }
}

async function converse(options: AgentOptions, child: LeasedProcess, acp: Sdk): Promise<Agent> {
  const { open, onUpdate, onPermission, onUnprompted, log, signal } = options;
  let turn: Turn | undefined;
  const at: Place = { conversation: '', isReplaying: false };
  const unprompted = watchUnprompted(options.program.kind, onUnprompted);
  /** When the limit that was last heard of ends, in epoch milliseconds. */
  let resetsAt: number | null = null;

  const { readable, writable } = acp.ndJsonStream(
    Writable.toWeb(child.stdin),
    Readable.toWeb(child.stdout) as ReadableStream<Uint8Array>,
  );
  const inTurns = new TransformStream<acp.AnyMessage, acp.AnyMessage>({
    async transform(message, controller) {
      controller.enqueue(message);
      // What follows the answer to a prompt was not asked for, also if it was read together with it: not before
      // `prompt` is done, which takes one round.
      if (turn !== undefined && !('method' in message)) for (let round = 0; round < 2; round += 1) await nextRound();
    },
  });
  const connection = acp
    .client({ name: 'aachat' })
    // First, and synchronous: handlers are started in order but not awaited.
    .onNotification(acp.methods.client.session.update, ({ params }) => {
      const { update } = params;
      if (at.isReplaying || (at.conversation !== '' && params.sessionId !== at.conversation)) return;
      const meta = record(update._meta);
      noteLimit(record(meta['_claude/rateLimit']));
      onUpdate(update);
      turn?.reader.add(update);
      turn?.calls.add(update);
      if (turn !== undefined && update.sessionUpdate === 'usage_update') turn.onSpent?.(spentBy(turn));
      unprompted.hear(update, turn !== undefined);
    })
    .onRequest(acp.methods.client.session.requestPermission, async ({ params }) => {
      const over = turn?.over.signal;
      const answer = over?.aborted
        ? CANCELLED
        : await Promise.race([
            onPermission((turn?.calls ?? createToolCalls()).permission(params)),
            ...(over === undefined ? [] : [aborted(over).then(() => CANCELLED)]),
          ]);
      return {
        outcome:
          answer.kind === 'selected' ? { outcome: 'selected', optionId: answer.optionId } : { outcome: 'cancelled' },
      };
    })
    .onNotification('*', ({ method, params }) => {
      if (method === '_claude/sdkMessage') noteLimit(record(record(record(params)['message'])['rate_limit_info']));
      log.debug('agent.notified', { method });
    })
    .connect({ readable: readable.pipeThrough(inTurns), writable });
  const { agent } = connection;

  /** A limit is on only by a failed prompt; an `allowed` that follows a `rejected` comes from a side call. */
  function noteLimit(info: Record<string, unknown>): void {
    if (info['status'] !== 'rejected') return;
    resetsAt = typeof info['resetsAt'] === 'number' ? info['resetsAt'] * 1000 : null;
  }

  const limited = (ms: number) => ({
    cancellationSignal:
      signal === undefined ? AbortSignal.timeout(ms) : AbortSignal.any([signal, AbortSignal.timeout(ms)]),
    stopWaitingOnCancel: true,
  });

  const info = await agent.request(
    acp.methods.agent.initialize,
    {
      // Exactly 1: asking for more makes some programs answer with a draft.
      protocolVersion: acp.PROTOCOL_VERSION,
      clientInfo: { name: 'aachat', version: '1' },
      clientCapabilities: { fs: { readTextFile: false, writeTextFile: false }, terminal: false },
    },
    limited(options.program.initializeMs ?? INITIALIZE_MS),
  );
  if (info.protocolVersion !== acp.PROTOCOL_VERSION) {
    throw new AachatError(
      'AGENT_FAILED',
      `${options.program.origin} speaks version ${info.protocolVersion} of ACP, not 1.`,
      {
        hint: 'Install a version of it that speaks ACP 1.',
      },
    );
  }

  const opening = { agent, can: info.agentCapabilities, program: options.program, open, limited, log };
  const { opened, warnings } = await openConversation(acp, opening, at);
  let costMicros = opened === 'resumed' || opened === 'loaded' ? open.costMicros : 0;

  function spentBy({ reader }: Turn): Spent {
    const { tokens, costMicros: total } = reader.result();
    return { tokens, costMicros: Math.max(0, (total ?? costMicros ?? 0) - (costMicros ?? total ?? 0)) };
  }

  async function prompt(text: string, onSpent?: (spent: Spent) => void): Promise<TurnOutcome> {
    if (turn !== undefined) throw new Error('A prompt is open already.');
    const own: Turn = {
      reader: createTurnReader(),
      calls: createToolCalls(),
      over: new AbortController(),
      onSpent,
      isCancelled: false,
    };
    turn = own;
    resetsAt = null;
    try {
      const reply = await agent.request(acp.methods.agent.session.prompt, {
        sessionId: at.conversation,
        prompt: [{ type: 'text', text }],
      });
      // Update handlers cost microtasks, responses do not: let those of this turn run first.
      await nextRound();
      if (reply.stopReason === 'cancelled' && !own.isCancelled && (await isDying()))
        return exited(lastWords(child), spentBy(own));
      const read = own.reader.result();
      const counters = countersOf(reply, spentBy(own));
      costMicros = read.costMicros ?? costMicros;
      return {
        kind: 'ended',
        stopReason: reply.stopReason,
        text: read.text,
        lastMessageId: read.lastMessageId,
        counters,
      };
    } catch (thrown) {
      await nextRound();
      if (!(thrown instanceof acp.RequestError) || connection.signal.aborted)
        return exited(lastWords(child), spentBy(own));
      if (thrown.code === NOT_FOUND) {
        // What the adapter ran is gone and does not come back by itself; a fresh process can resume the conversation.
        child.stop().catch((error: unknown) => log.warn('agent.stop_failed', { error }));
        return exited(lastWords(child), spentBy(own));
      }
      const failure = failureOf(thrown, resetsAt, spentBy(own), options.program.login);
      // One that goes on later counts then, with all that it used.
      if (failure.counters !== null) costMicros = own.reader.result().costMicros ?? costMicros;
      return failure;
    } finally {
      own.over.abort();
      turn = undefined;
    }
  }

  /** A program that is being ended from outside answers `cancelled`, though nobody here asked for it. */
  const isDying = async (): Promise<boolean> => {
    await within(DYING_MS, aborted(connection.signal));
    return connection.signal.aborted;
  };

  return {
    pid: child.pid,
    conversation: at.conversation,
    opened,
    info: { name: info.agentInfo?.name ?? options.program.kind, version: info.agentInfo?.version ?? '' },
    warnings,
    get costMicros() {
      return costMicros;
    },
    closed: connection.signal,
    prompt,
    cancel() {
      if (turn === undefined) return false;
      const { over } = turn;
      turn.isCancelled = true;
      // The word first: an agent that sees only its request refused would go on. Whether one that reads nothing gets it
      // is not waited for.
      agent.notify(acp.methods.agent.session.cancel, { sessionId: at.conversation }).catch(() => {});
      over.abort();
      return true;
    },
    [Symbol.asyncDispose]: async () => {
      unprompted[Symbol.dispose]();
      await child.stop();
      connection.close();
    },
  };
}

const CANCELLED: PermissionAnswer = { kind: 'cancelled' };

/** The end of what the program wrote to stderr, fit for one line. */
function lastWords(child: LeasedProcess): string {
  const words = child
    .stderrTail()
    .replace(/\p{Cc}+/gu, ' ')
    .trim()
    .slice(-300);
  return words === '' ? '(none)' : words;
}
