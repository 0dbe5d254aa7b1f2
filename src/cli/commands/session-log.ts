/** `aachat session log`: what a session did on this machine. Read from its files; nothing of it is at the server. */

import { stat } from 'node:fs/promises';
import { AachatError, isSystemError } from '#base/errors.ts';
import type { CommandContext } from '#cli/context.ts';
import { follow } from '#cli/follow.ts';
import { clockTime, indent, plain } from '#cli/output.ts';
import { pickSession } from '#cli/pick.ts';
import { type SessionId, shortId } from '#contract/ids.ts';
import { type LogLine, scanLog, wholeLine } from '#runtime/event-log.ts';
import type { Home } from '#runtime/home.ts';
import { LOG_START } from '#runtime/log-lines.ts';
import { saidIn } from '#runtime/prompt.ts';
import { localSessions, withSessionIndex } from '#runtime/session-search.ts';

/** `aachat session log [session] [--limit <count>] [--follow]`; without one the session that was written to last */
export async function log(
  context: CommandContext,
  args: { readonly session: string | undefined; readonly limit: number; readonly follow: boolean },
): Promise<void> {
  const { home, output, signal } = context;
  const id = args.session === undefined ? await newestLocal(home) : await findLocal(home, args.session);
  const { log: path } = home.session(id);
  let position = LOG_START;
  const next = async (most = Number.POSITIVE_INFINITY) => {
    const lines: LogLine[] = [];
    for await (const batch of scanLog(path, position)) {
      position = batch.at(-1)?.end ?? position;
      for (const { line } of batch) lines.push(line);
      // The log of a long life is longer than what is shown of it.
      if (lines.length > most) lines.splice(0, lines.length - most);
    }
    return await Promise.all(lines.map((line) => wholeLine(path, line)));
  };
  const which = args.session === undefined ? [`Session ${shortId(id)}`] : [];
  const lines = await next(args.limit);
  if (!args.follow) {
    const text = lines.flatMap(show).join('\n') || 'Nothing is in the log yet.';
    output.result({ sessionId: id, lines }, [...which, text].join('\n'));
    return;
  }
  for (const line of which) output.note(line);
  const tell = (line: LogLine) => {
    const shown = show(line);
    if (output.isJson || shown.length > 0) output.line(line, shown.join('\n'));
  };
  await follow(lines, () => next(), tell, signal);
}

async function newestLocal(home: Home): Promise<SessionId> {
  const logs = await Promise.all(
    (await localSessions(home)).map(async (id) => ({ id, at: await writtenAt(home.session(id).log) })),
  );
  const [newest] = logs.toSorted((a, b) => b.at - a.at);
  if (newest !== undefined) return newest.id;
  throw new AachatError('NOT_FOUND', 'No session has run on this machine.', {
    hint: 'Run `aachat up` to start those of your agents.',
  });
}

/** @returns epoch milliseconds; 0 for a session that has no log yet */
async function writtenAt(log: string): Promise<number> {
  try {
    return (await stat(log)).mtimeMs;
  } catch (thrown) {
    if (isSystemError(thrown, 'ENOENT')) return 0;
    throw thrown;
  }
}

/** A session that has run on this machine, by its id in any form, or its name. @throws AachatError `NOT_FOUND` */
export async function findLocal(home: Home, text: string): Promise<SessionId> {
  const ids = await localSessions(home);
  // Names are in the index, which may have to be brought up to the logs first.
  const [exact, ...others] = ids.filter((id) => [id, shortId(id)].includes(text.toLowerCase()));
  if (exact !== undefined && others.length === 0) return exact;
  const named = await withSessionIndex(home, (index) => new Map(index.named().map((one) => [one.id, one])));
  const candidates = ids.map((id) => named.get(id) ?? { id, agent: null, name: null });
  return pickSession(text, candidates, {
    message: `No session ${text} has run on this machine.`,
    hint: 'Run `aachat session list` to see the ids.',
  }).id;
}

function show(line: LogLine): readonly string[] {
  const at = clockTime(line.at);
  const say = (text: string) => [`${at}  ${plain(text)}`];
  switch (line.type) {
    case 'run.started':
      return say(`— run ${line.epoch} —`);
    case 'imported':
      return say(`— imported from ${line.from} —`);
    case 'agent.opened':
      return say(
        `agent: ${line.program}, conversation ${line.opened}${line.before === undefined ? '' : `; until now it was held with ${line.before}`}`,
      );
    case 'turn.prompted':
      return say(`turn ${shortId(line.turnId)}\n${quote(saidIn(line.prompt))}`);
    case 'session.branched': {
      const { turnId, from, files } = line;
      const where = turnId === null ? 'its beginning' : `turn ${shortId(turnId)}`;
      return say(`— goes on from ${where} of session ${shortId(from)}${files === true ? ', files too' : ''} —`);
    }
    case 'turn.held':
      return say(`turn ${shortId(line.turnId)} was broken off: ${line.cause}`);
    case 'turn.finished':
      return say(`turn ${shortId(line.turnId)} ${line.outcome.state} (${line.outcome.stopReason})`);
    case 'turn.posted':
      return say(`posted as message ${shortId(line.messageId)}`);
    case 'permission.asked':
      return say(`asks: ${line.title}`);
    case 'permission.answered':
      return say(`answer: ${line.outcome}`);
    case 'note':
      return say(`the agent will be told: ${line.text}`);
    case 'problem':
      return say(`! ${line.message}`);
    case 'run.ended':
      return say(`— ended: ${line.reason} —`);
    case 'update':
      return update(line.update).flatMap(say);
    default:
      return [];
  }
}

interface Update {
  readonly sessionUpdate?: string;
  readonly text?: string;
  readonly title?: string;
  readonly status?: string;
}

function update(value: unknown): readonly string[] {
  const { sessionUpdate, text = '', title, status } = value as Update;
  switch (sessionUpdate) {
    case 'agent_message_chunk':
      return [`says:\n${quote(text)}`];
    case 'agent_thought_chunk':
      return [`thinks:\n${quote(text)}`];
    case 'tool_call':
      return [`tool: ${title ?? '?'}`];
    case 'tool_call_update':
      return status === 'completed' || status === 'failed' ? [`tool ${status}`] : [];
    default:
      return [];
  }
}

const quote = (text: string): string => indent(text.trim(), 6);
