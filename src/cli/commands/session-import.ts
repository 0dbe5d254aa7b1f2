/** `aachat session import`: conversations that were held with Claude Code outside of aachat become sessions. */
import { join, resolve as resolvePath } from 'node:path';
import { AachatError, isAachatError } from '#base/errors.ts';
import { removeAll } from '#base/fs.ts';
import { newId } from '#base/id.ts';
import { withFileLock } from '#base/pid-file.ts';
import type { CommandContext } from '#cli/context.ts';
import { resolve } from '#cli/messages.ts';
import type { HttpClient } from '#client/http.ts';
import type { Session } from '#contract/entities.ts';
import { type SessionId, shortId } from '#contract/ids.ts';
import { ROUTES } from '#contract/routes.ts';
import { SessionFacts } from '#runtime/log-events.ts';
import { withSessionIndex } from '#runtime/session-search.ts';
import {
  claudeConfig,
  finishImport,
  importTranscript,
  isHalfImported,
  markImported,
  readTranscript,
  removeCopy,
  type Transcript,
} from '#runtime/transcript-import.ts';
import { findAgent } from './agent.ts';
import { findSession, placeOf } from './session.ts';
import { LONG_INDEX } from './session-search.ts';

/** So much takes seconds. */
const LONG_BYTES = 10e6;

export interface ImportOptions {
  readonly files: readonly string[];
  readonly agent?: string;
  readonly project: readonly string[];
  readonly team?: string;
  readonly name?: string;
}

interface Imported {
  readonly file: string;
  readonly session: Session;
  /** false: it had been imported before. */
  readonly isNew: boolean;
  readonly turns: number;
  readonly lines: number;
  /** Lines that could not be read. */
  readonly bad: number;
}

/** `aachat session import <file...> --agent <agent> [--project <project>…]` */
export async function importSessions(context: CommandContext, args: ImportOptions): Promise<void> {
  const { home, output, signal } = context;
  if (args.name !== undefined && args.files.length > 1) {
    throw new AachatError('USAGE', 'One name is not enough for several sessions.', {
      hint: 'Leave out --name: each is called what its transcript is called.',
    });
  }
  if (args.agent === undefined) {
    throw new AachatError('USAGE', 'It is not said whose sessions they become.', {
      hint: 'Name one of your agents: --agent ada',
    });
  }
  const { http } = await context.connect();
  const agent = await findAgent(context, http, args.agent);
  const { teamId, team, projects } = await placeOf(context, http, agent, args);
  const dm = await resolve(context, http, `dm:${agent.name}`, undefined);
  const config = claudeConfig(context.env);
  const drafts = join(home.run, 'import');
  const imported = await withFileLock(drafts, async () => {
    // Of one that was killed.
    await removeAll(drafts);
    // All are looked at before the first is taken in.
    const transcripts: Transcript[] = [];
    for (const file of args.files) transcripts.push(await readTranscript(resolvePath(file), signal));
    const known = [];
    for (const one of await knownImports(context)) if (await isWhole(context, http, one.id)) known.push(one);
    const done: Imported[] = [];
    for (const transcript of transcripts) {
      const { path: file, digest, source, turns, lines, bad, bytes } = transcript;
      const facts = { file, turns, lines, bad };
      const before = known.find((one) => one.digest === digest);
      if (before !== undefined) {
        done.push({ ...facts, session: await findSession(context, http, before.id), isNew: false });
        continue;
      }
      const shorter = source === null ? undefined : known.find((one) => one.source === source);
      if (shorter !== undefined) {
        throw new AachatError('CONFLICT', `An earlier state of ${file} is session ${shortId(shorter.id)}.`, {
          hint: `Go on with that, or remove it first: aachat session remove ${shortId(shorter.id)}`,
        });
      }
      if (bytes > LONG_BYTES) output.note(`Taking in ${file} …`);
      const name = args.name ?? transcript.title;
      const about = SessionFacts.parse({ agent: agent.name, team, name, parentId: null, forkedFromId: null });
      const id = newId<SessionId>();
      await importTranscript({ home, id, transcript, about, projectId: projects[0] ?? dm.id, signal });
      const session = await finishImport(home, id, config, async () => {
        const body = { clientId: newId(), sessionId: id, agentId: agent.id, teamId, projects, name, parked: true };
        return (await http.call(ROUTES.createSession, { body }, signal)).session;
      });
      known.push({ id, digest, source });
      done.push({ ...facts, session, isNew: true });
    }
    return done;
  });
  output.result({ imported }, imported.map(sentence).join('\n'));
}

/** Undoes an import that was broken off before the server heard of it. @returns whether there was nothing to undo */
async function isWhole(context: CommandContext, http: HttpClient, id: SessionId): Promise<boolean> {
  const { home, env } = context;
  if (!(await isHalfImported(home, id))) return true;
  try {
    await findSession(context, http, id);
    await markImported(home, id);
    return true;
  } catch (thrown) {
    if (!isAachatError(thrown, 'NOT_FOUND')) throw thrown;
    await removeCopy(home, id, claudeConfig(env));
    await removeAll(home.session(id).dir);
    return false;
  }
}

async function knownImports({ home, output, signal }: CommandContext) {
  const options = { signal, onLong: () => output.note(LONG_INDEX) };
  return await withSessionIndex(
    home,
    (index) =>
      index.ids().flatMap((id: SessionId) => {
        const origin = index.get(id)?.history.imported;
        return origin == null ? [] : [{ id, digest: origin.digest, source: origin.source }];
      }),
    options,
  );
}

function sentence({ file, session, isNew, turns, lines, bad }: Imported): string {
  const which = `session ${shortId(session.id)} of ${session.agent}, ${JSON.stringify(session.name)}`;
  if (!isNew) return `${file} is ${which} already.`;
  const left = bad === 0 ? '' : ` ${bad} of its ${lines} lines could not be read.`;
  return `${file} is now ${which}: ${turns} ${turns === 1 ? 'turn' : 'turns'}.${left} Go on with it: aachat session resume ${shortId(session.id)}`;
}
