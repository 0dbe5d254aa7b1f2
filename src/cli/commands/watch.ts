/**
 * `aachat watch`: messages, documents and lifecycle as they come. The place in each stream is kept, so that the next
 * `watch` goes on from there; what was printed just before a crash may come once more, and nothing is left out.
 */
import { resolve as resolvePath } from 'node:path';
import { z } from 'zod';
import { aborted, createSerial } from '#base/async.ts';
import { AachatError } from '#base/errors.ts';
import { readIfExists, writePrivate } from '#base/fs.ts';
import { silentLog } from '#base/log.ts';
import { isoTime } from '#base/time.ts';
import { type CommandContext, whoAmI } from '#cli/context.ts';
import { budgetText, cooldownText, loopText } from '#cli/loop-view.ts';
import { resolve } from '#cli/messages.ts';
import { clockTime, plain } from '#cli/output.ts';
import { listReadableProjects } from '#client/projects.ts';
import { openEventSocket } from '#client/socket.ts';
import type { Project, Session } from '#contract/entities.ts';
import type { StreamEvent } from '#contract/frames.ts';
import { Seq, StreamId, shortId } from '#contract/ids.ts';
import { formatDocumentPath } from '#contract/paths.ts';

export interface WatchArgs {
  /** Only these; none: all that the person can read, and what is for the person. */
  readonly project: readonly string[];
  readonly team?: string | undefined;
  /** undefined: where the last one ended. */
  readonly from?: 'start' | 'now' | number | undefined;
  /** File that keeps the place. */
  readonly cursor?: string | undefined;
}

const Places = z.record(StreamId, Seq);
type Places = Readonly<Record<string, number>>;

const SAVE_MS = 200;

/** `aachat watch [--project <project>…] [--from <place>] [--cursor <file>]` */
export async function watch(context: CommandContext, args: WatchArgs): Promise<void> {
  const { home, cwd, output, signal } = context;
  if (typeof args.from === 'number' && args.project.length !== 1) {
    throw new AachatError('USAGE', 'A number to begin from belongs to one project.', {
      hint: 'Name it with --project, or use --from start.',
    });
  }
  const file = args.cursor === undefined ? home.watchCursor : resolvePath(cwd, args.cursor);
  let places = await readPlaces(file);
  const connection = await context.connect();
  const me = (await whoAmI(connection, signal)).id as StreamId;
  const wanted = await Promise.all(args.project.map((name) => resolve(context, connection.http, name, args.team)));
  const isRepeated = places[me] !== undefined;
  const names = new Map<StreamId, string>();
  const serial = createSerial();
  const isNews = newsFilter();
  const titled = new Set<string>();
  const failed = Promise.withResolvers<never>();
  let [hasBegun, wasConnected] = [false, false];

  /** A project that came after the first `watch` is told from its beginning. */
  const placeOf = (stream: StreamId): number | null => {
    if (hasBegun) return places[stream] ?? 0;
    if (args.from === 'now') return null;
    if (args.from === 'start') return 0;
    return args.from ?? places[stream] ?? (isRepeated && wanted.length === 0 ? 0 : null);
  };
  const add = (projects: readonly Project[]) => {
    for (const { id, team, name } of projects) {
      names.set(id, `${team}/${name}`);
      socket.subscribe(id, placeOf(id));
    }
  };
  const addAll = async () => add(await listReadableProjects(connection.http, signal));

  const socket = openEventSocket({
    url: connection.url,
    token: connection.token,
    log: silentLog,
    onEvent(stream, event) {
      if (event.type === 'membership.changed') serial(addAll).catch(failed.reject);
      if (!isNews(event)) return;
      const project = names.get(stream) ?? null;
      output.line({ stream, project, ...event }, show(context, event, project));
    },
    onRelayed(frame) {
      // Said again whenever another machine asks.
      if (frame.type !== 'permission_title' || frame.title === null) return;
      if (wanted.length > 0 || titled.has(frame.permissionId)) return;
      titled.add(frame.permissionId);
      const text = plain(`request ${shortId(frame.permissionId)}: ${frame.title}`).replace(/\s+/g, ' ');
      output.line(frame, `${output.paint.dim(clockTime(isoTime(Date.now())))}  ${text}`);
    },
    onReset(stream, seq) {
      const project = names.get(stream) ?? null;
      const where = project === null ? '' : ` of ${project}`;
      output.line({ stream, project, seq, type: 'reset' }, `Some events${where} are no longer kept by the server.`);
    },
    onDenied(stream) {
      output.note(`You can no longer read ${names.get(stream) ?? 'this'}.`);
      names.delete(stream);
    },
    onState(connected) {
      if (!connected) output.note('Not connected; trying again.');
      else if (wasConnected) output.note('Connected again.');
      wasConnected = true;
    },
  });

  let saved = JSON.stringify(places);
  const save = async () => {
    for (const stream of [me, ...names.keys()]) {
      const seq = socket.cursor(stream);
      if (seq !== null) places = { ...places, [stream]: seq };
    }
    const text = JSON.stringify(places);
    if (text !== saved) await writePrivate(file, `${text}\n`);
    saved = text;
  };
  failed.promise.catch(() => {});
  const timer = setInterval(() => serial(save).catch(failed.reject), SAVE_MS);
  try {
    if (wanted.length === 0) socket.subscribe(me, placeOf(me));
    await serial(async () => {
      await (wanted.length === 0 ? addAll() : add(wanted));
      hasBegun = true;
    });
    await Promise.race([aborted(signal), failed.promise]);
  } finally {
    clearInterval(timer);
    await socket[Symbol.asyncDispose]();
    await serial(save);
    await connection.release();
  }
}

async function readPlaces(file: string): Promise<Places> {
  const text = await readIfExists(file);
  if (text === undefined) return {};
  try {
    return Places.parse(JSON.parse(text)) as Places;
  } catch (cause) {
    throw new AachatError('VALIDATION_ERROR', `The place of the last watch cannot be read: ${file}.`, {
      hint: 'Move the file away; the next watch begins with what comes then.',
      cause,
    });
  }
}

/** The same state of a session comes in the stream of each project that it covers, and in the person's. */
function newsFilter(): (event: StreamEvent) => boolean {
  const sessions = new Map<string, string>();
  return (event) => {
    if (event.type !== 'session.updated') return true;
    const { id, updatedAt, state, activity } = event.data.session;
    const now = [updatedAt, state, activity].join();
    if (sessions.get(id) === now) return false;
    sessions.set(id, now);
    return true;
  };
}

function show({ output }: CommandContext, event: StreamEvent, project: string | null): string {
  const { bold, dim } = output.paint;
  const [first = '', ...rest] = plain(say(event)).split('\n');
  const head = `${dim(clockTime(event.at))}  ${project === null ? '' : `${bold(project)}  `}${first}`;
  return [head, ...rest.map((line) => `       ${line}`.trimEnd())].join('\n');
}

function say(event: StreamEvent): string {
  switch (event.type) {
    case 'message.created': {
      const { author, via, body } = event.data.message;
      return `${author.name}${via === null ? '' : ` (via ${via})`}: ${body}`;
    }
    case 'member.added':
      return `${event.data.party.name} is in the project`;
    case 'member.removed':
      return `${event.data.party.name} left the project`;
    case 'loop.stopped':
      return loopText(event.data.project);
    case 'pair.cooled':
      return cooldownText(event.data.cooldown);
    case 'budget.reached':
      return budgetText(event.data);
    case 'budget.changed':
      return `${event.data.agent.name} has another budget`;
    case 'document.changed': {
      const { document } = event.data;
      const what = document.digest === null ? 'deleted' : `version ${document.version}`;
      return `${formatDocumentPath(document)}: ${what} by ${document.author.name}`;
    }
    case 'document.conflict': {
      const { conflict } = event.data;
      const what = conflict.settledAt === null ? `an edit of ${conflict.author.name} was kept aside` : 'was settled';
      return `${formatDocumentPath(conflict)}: conflict ${conflict.number} ${what}`;
    }
    case 'session.updated': {
      const { agent, team } = event.data.session;
      return `${agent} in ${team}: ${sessionNews(event.data.session)}`;
    }
    case 'signal.created':
    case 'signal.updated': {
      const { kind, sender, recipient, state } = event.data.signal;
      return `${kind.replaceAll('_', ' ')} from ${sender.name} to ${recipient.name}: ${state}`;
    }
    case 'permission.asked': {
      const { agent, toolKind, machine, id } = event.data.permission;
      return `${agent} on ${machine} asks (${toolKind}): aachat permission allow | deny ${shortId(id)}`;
    }
    case 'permission.answered': {
      const { agent, machine, state, answer } = event.data.permission;
      const by = answer === null ? '' : ` by ${answer.by}`;
      return `${agent} on ${machine}: ${state === 'open' ? `${answer?.outcome}, on its way` : state}${by}`;
    }
    case 'membership.changed':
      return 'what you can read has changed';
  }
}

function sessionNews({ id, name, state, activity, run, parentId, forkedFromId }: Session): string {
  if (state === 'running' && activity !== null) return activity.replaceAll('_', ' ');
  if (run !== null) return state === 'stopped' && run.reason !== null ? `stopped (${run.reason})` : state;
  const origin =
    parentId !== null
      ? `, started by ${shortId(parentId)}`
      : forkedFromId !== null
        ? `, forked from ${shortId(forkedFromId)}`
        : '';
  return `new session ${shortId(id)}${name === null ? '' : ` (${name})`}${origin}`;
}
