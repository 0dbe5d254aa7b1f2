/**
 * Opens the conversation of an agent process that was just started: an earlier one, a copy of one, or a new one. One
 * request has what all four ways of it need, and the mode is set after each.
 */
import type * as acp from '@agentclientprotocol/sdk';
import type { Log } from '#base/log.ts';
import type { AgentProgram } from './agent-program.ts';
import { explain, record } from './turn-outcome.ts';

/** What a conversation is copied from. */
export interface ForkPoint {
  readonly conversation: string;
  /** The last message to be kept; null: unknown. */
  readonly messageId: string | null;
  /** Nothing comes after it. */
  readonly isWhole: boolean;
}

export interface OpenConversation {
  /** Absolute. */
  readonly cwd: string;
  /** Earlier conversation: resumed, else loaded, else (only if the program does not know it) a new one. */
  readonly conversation?: string;
  /** A copy of another conversation, where there is no earlier one or nobody knows it: forked, else a new one. */
  readonly fork?: ForkPoint;
  /** Goes with the request that opens, whichever it is. */
  readonly meta?: Record<string, unknown>;
  /** Set after every open. */
  readonly mode?: string;
  /**
   * What an earlier conversation had cost when it was last heard of, in millionths of a dollar: programs go on
   * counting. Unknown: its first turn counts as free, rather than as dear as the whole past.
   */
  readonly costMicros?: number;
}

export type Opened = 'new' | 'resumed' | 'loaded' | 'forked' | 'renewed';

/** Where the process is, for whoever hears its updates. */
export interface Place {
  conversation: string;
  /** What comes now was said before. */
  isReplaying: boolean;
}

type Sdk = typeof acp;

interface Opening {
  readonly agent: acp.ClientContext;
  readonly can: acp.AgentCapabilities | undefined;
  readonly program: AgentProgram;
  readonly open: OpenConversation;
  readonly limited: (ms: number) => { readonly cancellationSignal: AbortSignal; readonly stopWaitingOnCancel: boolean };
  readonly log: Log;
}

const OPEN_MS = 60_000;
/** Other requests that should be quick. */
const SHORT_MS = 10_000;
/** A program that goes on listing after this many pages lists nothing that ends. */
const LIST_PAGES = 100;
/** How a program says that it does not know a conversation. */
export const NOT_FOUND = -32_002;
/** How the SDK says that a request was given up. */
export const TIMED_OUT = -32_800;

/** @param at kept up to date while it opens */
export async function openConversation(
  acp: Sdk,
  { agent, can, program, open, limited, log }: Opening,
  at: Place,
): Promise<{ readonly opened: Opened; readonly warnings: readonly string[] }> {
  const request: acp.NewSessionRequest = {
    cwd: open.cwd,
    mcpServers: [],
    ...(open.meta === undefined ? {} : { _meta: open.meta }),
  };
  const warnings: string[] = [];
  const opened = await begin();
  if (open.mode !== undefined) await setMode(open.mode);
  return { opened, warnings };

  async function begin(): Promise<Opened> {
    const sessionId = open.conversation;
    if (sessionId !== undefined) {
      try {
        if (can?.sessionCapabilities?.resume) {
          at.conversation = sessionId;
          await agent.request(acp.methods.agent.session.resume, { ...request, sessionId }, limited(OPEN_MS));
          return 'resumed';
        }
        if (can?.loadSession) {
          at.conversation = sessionId;
          at.isReplaying = true;
          await agent.request(acp.methods.agent.session.load, { ...request, sessionId }, limited(OPEN_MS));
          return 'loaded';
        }
      } catch (thrown) {
        if (!(thrown instanceof acp.RequestError)) throw thrown;
        if (thrown.code !== NOT_FOUND && !(await isGone(sessionId))) throw thrown;
      } finally {
        at.isReplaying = false;
      }
    }
    if (open.fork !== undefined && (await forkFrom(open.fork))) return 'forked';
    at.conversation = '';
    const created = await agent.request(acp.methods.agent.session.new, request, limited(OPEN_MS));
    at.conversation = created.sessionId;
    return sessionId === undefined && open.fork === undefined ? 'new' : 'renewed';
  }

  /** @returns whether the program could: not all of them can fork, and only Claude Code in the middle. */
  async function forkFrom({ conversation: source, messageId, isWhole }: ForkPoint): Promise<boolean> {
    const cut = program.kind === 'claude' && messageId !== null ? claudeCut(messageId) : undefined;
    // A draft of the protocol, which several programs have: the types do not know it yet.
    const canFork = record(can?.sessionCapabilities)['fork'] != null;
    if (!canFork || (cut === undefined && !isWhole)) return false;
    at.isReplaying = true;
    try {
      const asked = {
        ...request,
        sessionId: source,
        ...(cut === undefined ? {} : { _meta: { ...open.meta, ...cut } }),
      };
      const forked = await agent.request('session/fork', asked, limited(OPEN_MS));
      const { sessionId } = record(forked);
      if (typeof sessionId !== 'string') return false;
      at.conversation = sessionId;
      return true;
    } catch (thrown) {
      if (!(thrown instanceof acp.RequestError) || thrown.code === TIMED_OUT) throw thrown;
      log.warn('agent.fork_failed', { reason: explain(thrown) });
      return false;
    } finally {
      at.isReplaying = false;
    }
  }

  /** Some programs do not tell "unknown" from other failures, but list what they know. */
  async function isGone(sessionId: string): Promise<boolean> {
    if (!can?.sessionCapabilities?.list) return false;
    let cursor: string | null | undefined;
    for (let pages = 0; pages < LIST_PAGES; pages += 1) {
      const asked = { cwd: open.cwd, ...(cursor == null ? {} : { cursor }) };
      const listing: Promise<acp.ListSessionsResponse> = agent.request(
        acp.methods.agent.session.list,
        asked,
        limited(SHORT_MS),
      );
      const page = await listing.catch(() => undefined);
      if (page === undefined || page.sessions.some((known) => known.sessionId === sessionId)) return false;
      cursor = page.nextCursor;
      if (cursor == null) return true;
    }
    return false;
  }

  async function setMode(modeId: string): Promise<void> {
    try {
      await agent.request(acp.methods.agent.session.setMode, { sessionId: at.conversation, modeId }, limited(SHORT_MS));
    } catch (thrown) {
      if (!(thrown instanceof acp.RequestError)) throw thrown;
      // A repo or an administrator may forbid a mode; a stricter one than asked for is no reason to stop.
      warnings.push(
        `The agent program refused the mode ${modeId}: ${explain(thrown)}. It may ask at other times than its policy says.`,
      );
    }
  }
}

/** Makes the adapter of Claude Code leave out what came after a message. */
const claudeCut = (messageId: string) => ({ jetbrains: { air: { fork: { version: 1, messageId } } } });
