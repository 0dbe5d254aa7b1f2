/**
 * The mirrors of a running `up`: the person's folder, one in each connected repo, one in the workspace of each session.
 * All of them hear the same events; each has the rights of whoever it belongs to. What a mirror promises is in
 * `sync/SPEC.md`.
 */
import { rm } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { z } from 'zod';
import { createCoalesced, createSerial } from '#base/async.ts';
import { AachatError, toAachatError } from '#base/errors.ts';
import { ensureDir, exists, hasLink } from '#base/fs.ts';
import type { Log } from '#base/log.ts';
import { createTidying } from '#base/memory.ts';
import { claimPidFile } from '#base/pid-file.ts';
import { isoTime } from '#base/time.ts';
import type { HttpClient } from '#client/http.ts';
import { listReadableProjects } from '#client/projects.ts';
import type { MirrorView } from '#contract/control.ts';
import type { Document, DocumentConflict } from '#contract/documents.ts';
import type { StreamEvent } from '#contract/frames.ts';
import type { ProjectId, StreamId } from '#contract/ids.ts';
import { Mirror } from '#sync/engine.ts';
import { OURS } from '#sync/names.ts';
import type { Accepted, Replica } from '#sync/replica.ts';
import { createDocumentReplica, GRAMMAR, remoteConflict, remoteDocument } from './document-replica.ts';
import { DOCUMENTS, type Home } from './home.ts';
import { excludesFolders } from './project-repo.ts';
import { createTextStore } from './text-store.ts';
import { guardTracked } from './tracked-documents.ts';
import { listConnectedRepos } from './workspaces.ts';

export interface MirrorsOptions {
  readonly home: Home;
  /** Acts as the owner. */
  readonly http: HttpClient;
  /** Origin of the server as `init` notes it; null: the embedded platform. */
  readonly server: string | null;
  /** Hears the stream of a project from now on; `refresh` is called once it does. */
  readonly follow: (project: ProjectId) => void;
  /** Since when there is no connection, in milliseconds since the epoch: nobody knows what the server has. */
  readonly awaySince: () => number | undefined;
  readonly onChange: () => void;
  /** Somebody edited a document that the person deleted, and it is back. At least once for each. */
  readonly onReturned: (path: string) => void;
  readonly log: Log;
}

/** Where a mirror lies, and what it holds. */
interface Place {
  readonly kind: MirrorView['kind'];
  /** An existing folder; nothing below it may be a link. */
  readonly base: string;
  readonly path: string;
  /** Its rights. */
  readonly http: HttpClient;
  /** undefined: of all teams. */
  readonly team?: string;
  readonly holds: (row: Document | DocumentConflict) => boolean;
  /** Projects whose stream must be heard; undefined: those that the owner can read. */
  readonly projects?: () => readonly { readonly id: ProjectId }[];
  readonly onAccepted?: (accepted: Accepted) => void;
  /** Called before a text or a deletion is handed in. @throws AachatError `FORBIDDEN` if it must not be */
  readonly guard?: (path: string, isDeletion: boolean) => Promise<void>;
}

export interface SessionPlace {
  /** The session's workspace. */
  readonly workspace: string;
  /** Acts as the agent. */
  readonly http: HttpClient;
  /** What the session covers now. */
  readonly projects: () => readonly { readonly id: ProjectId }[];
  readonly onAccepted: (accepted: Accepted) => void;
}

export interface SessionMirror {
  /** Waits until every document is there, for a moment at most. */
  fill(): Promise<void>;
  /** Reads everything again: the session covers other projects now. */
  refresh(): void;
  /**
   * Hands in what was saved and ends.
   *
   * @returns why the folder must not go, as a line; undefined: the server has all of it
   */
  close(): Promise<string | undefined>;
}

export interface Mirrors extends AsyncDisposable {
  /** Begins those of the person that have not begun: what kept one from it may be mended, a repo may be new. */
  begin(): Promise<void>;
  /** @throws AachatError `FORBIDDEN` if a link is in the way, `CONFLICT` if another `up` has a mirror there */
  openSession(place: SessionPlace): Promise<SessionMirror>;
  hear(event: StreamEvent): void;
  /** The owner hears a stream from now on, or may not hear it. */
  heard(stream: StreamId, isAllowed: boolean): void;
  /** Reads everything again, soon: something may have been missed, or may be read now that could not be before. */
  refresh(): void;
  views(): readonly MirrorView[];
  /** @throws AachatError `NOT_FOUND` if there is no mirror at `root` */
  resume(root: string, how: 'restore' | 'delete'): Promise<void>;
}

/** More than most teams change in a minute. */
const TEXT_BYTES = 8 * 1024 * 1024;
const KINDS: readonly MirrorView['kind'][] = ['home', 'repo', 'session'];
const FILL_MS = 10_000;
const CLOSE_MS = 10_000;
/** A server that is away may not come back soon: what was saved waits in the folder. */
const OFFLINE_MS = 500;

interface Opened {
  readonly place: Place;
  readonly root: string;
  readonly mirror: Mirror;
  readonly stop: () => Promise<void>;
}

export function createMirrors(options: MirrorsOptions): Mirrors {
  const { home, http, server, follow, awaySince, onChange, onReturned, log } = options;
  const opened = new Map<string, Opened>();
  /** Root → why there is no mirror. */
  const failed = new Map<string, MirrorView>();
  const kept = join(home.state, 'kept');
  const texts = createTextStore(TEXT_BYTES);
  const tidying = createTidying();
  /** Streams that the owner may not hear, though an agent of theirs may. */
  const deaf = new Set<string>();
  const isDeaf = ({ projects = () => [] }: Place) => projects().some(({ id }) => deaf.has(id));
  let isOver: boolean = false;

  async function open(place: Place): Promise<Opened> {
    const root = join(place.base, place.path);
    if (await hasLink(place.base, join(place.path, OURS))) {
      throw new AachatError('FORBIDDEN', `A part of ${root} is a link, so documents are not kept in step there.`, {
        hint: 'Put a folder in its place.',
      });
    }
    const lock = join(root, OURS, 'up.json');
    await ensureDir(join(root, OURS));
    let claim = await claimPidFile(lock, z.object({}), {});
    if (!claim.claimed && claim.holder.pid === process.pid && !opened.has(root)) {
      // It moved here with its folder.
      await rm(lock);
      claim = await claimPidFile(lock, z.object({}), {});
    }
    if (!claim.claimed) {
      throw new AachatError('CONFLICT', `Process ${claim.holder.pid} keeps the documents in ${root} in step.`, {
        hint: 'Stop it, then try again.',
      });
    }
    const mirror = new Mirror({
      root,
      kept,
      replica: guarded(createDocumentReplica({ http: place.http, team: place.team, texts }), place.guard),
      grammar: GRAMMAR,
      log: log.child({ mirror: root }),
      onChange: () => {
        tidying.soon();
        onChange();
      },
      onAccepted:
        place.onAccepted ?? (({ document, outcome }) => void (outcome === 'kept' && onReturned(document.path))),
    });
    const stop = async () => {
      opened.delete(root);
      try {
        await mirror.stop();
      } catch (error) {
        log.error('mirror.not_stopped', { root, error });
      }
      claim.file.release();
    };
    const made = { place, root, mirror, stop };
    opened.set(root, made);
    failed.delete(root);
    try {
      await mirror.start();
    } catch (thrown) {
      await stop();
      throw thrown;
    }
    return made;
  }

  /** One that cannot be opened is shown, and does not stop the others. */
  async function openOwn(place: Place, check: () => Promise<void> = async () => {}): Promise<void> {
    const root = join(place.base, place.path);
    if (opened.has(root) || isOver) return;
    try {
      await check();
      await open(place);
    } catch (thrown) {
      const { message, hint = '' } = toAachatError(thrown);
      if (!failed.has(root)) log.warn('mirror.not_opened', { root, error: thrown });
      failed.set(root, notKept(place.kind, root, `${message} ${hint}`.trim()));
    }
    onChange();
  }

  async function beginAll(): Promise<void> {
    await ensureDir(home.root);
    const repos = await listConnectedRepos(home);
    const wanted = new Map(repos.map((repo) => [join(repo.path, DOCUMENTS), repo]));
    for (const { place, root, stop } of opened.values()) {
      // Disconnected, moved or removed: nothing may come back to the place that it had. One that only lost its folder
      // has stopped and asks.
      const repo = wanted.get(root);
      const isThere = repo !== undefined && (await exists(repo.path)) && (await excludesFolders(repo.exclude));
      if (place.kind === 'repo' && !isThere) await stop();
    }
    for (const { place, mirror } of opened.values()) if (isDeaf(place)) void mirror.refresh();
    for (const root of failed.keys()) if (root !== join(home.root, 'docs') && !wanted.has(root)) failed.delete(root);
    await Promise.all([
      openOwn({ kind: 'home', base: home.root, path: relative(home.root, home.docs), http, holds: () => true }),
      ...repos
        .filter((repo) => repo.server === server)
        .map(({ path, team, exclude }) =>
          openOwn(
            {
              kind: 'repo',
              base: path,
              path: DOCUMENTS,
              http,
              team,
              holds: (row) => row.team === team,
              guard: guardTracked(path),
            },
            async () => {
              if (await excludesFolders(exclude)) return;
              throw new AachatError('NOT_FOUND', `The repository at ${path} is gone, or was made anew.`, {
                hint: `Run \`aachat init\` where it is now, or \`aachat init --uninstall ${path}\`.`,
              });
            },
          ),
        ),
    ]);
  }

  const refresh = createCoalesced(async () => {
    if (isOver) return;
    try {
      for (const { id } of await listReadableProjects(http)) follow(id);
    } catch (error) {
      log.warn('mirrors.projects_unknown', { error });
    }
    await Promise.all(Array.from(opened.values(), ({ mirror }) => mirror.refresh()));
  });

  const inOrder = createSerial();

  return {
    begin: () => inOrder(beginAll),
    async openSession({ workspace, http: agentHttp, projects, onAccepted }) {
      const holds = ({ projectId }: Document | DocumentConflict) => projects().some(({ id }) => id === projectId);
      const place = { kind: 'session', base: workspace, path: DOCUMENTS, http: agentHttp, holds, projects } as const;
      const { root, mirror, stop } = await open({ ...place, onAccepted });
      return {
        fill: async () => void (await mirror.flush(FILL_MS)),
        refresh: () => void mirror.refresh(),
        async close() {
          const status = await flush(mirror);
          await stop();
          return reasonToStay(root, status);
        },
      };
    },
    hear(event) {
      const heard = changeIn(event);
      if (heard === undefined) return;
      for (const { place, mirror } of opened.values()) if (place.holds(heard.row)) mirror.changed(heard.change);
    },
    heard(stream, isAllowed) {
      if (isAllowed) deaf.delete(stream);
      else deaf.add(stream);
      refresh();
    },
    refresh,
    views() {
      const away = awaySince();
      const all = Array.from(opened.values(), ({ place, root, mirror }) => {
        const { kind } = place;
        const status = mirror.status();
        if (isDeaf(place) && status.state === 'in sync') return { kind, root, ...status, ...DEAF };
        if (away === undefined || status.state === 'stopped' || status.state === 'offline')
          return { kind, root, ...status };
        const reason = 'There is no connection to the server.';
        return { kind, root, ...status, state: 'offline' as const, reason, since: isoTime(away) };
      });
      return [...all, ...failed.values()].sort(
        (a, b) => KINDS.indexOf(a.kind) - KINDS.indexOf(b.kind) || (a.root < b.root ? -1 : 1),
      );
    },
    async resume(root, how) {
      const found = opened.get(root);
      if (found === undefined) {
        throw new AachatError('NOT_FOUND', `aachat up keeps no documents in ${root}.`, {
          hint: 'Run `aachat status` to see where.',
        });
      }
      await found.mirror.resume(how);
    },
    async [Symbol.asyncDispose]() {
      isOver = true;
      tidying[Symbol.dispose]();
      await Promise.all(
        Array.from(opened.values(), async ({ mirror, stop }) => {
          await flush(mirror);
          await stop();
        }),
      );
    },
  };
}

/** Such a mirror looks by itself twice a minute. */
const DEAF = {
  state: 'syncing',
  reason: 'You are not in all of its projects, so what others change comes twice a minute.',
} as const;

const flush = (mirror: Mirror) => mirror.flush(mirror.status().state === 'offline' ? OFFLINE_MS : CLOSE_MS);

const guarded = (replica: Replica, guard: Place['guard']): Replica =>
  guard === undefined
    ? replica
    : {
        ...replica,
        async push(submission) {
          await guard(submission.path, submission.bytes === null);
          return await replica.push(submission);
        },
      };

/** A folder that is not kept in step. */
export const notKept = (kind: MirrorView['kind'], root: string, reason: string): MirrorView => ({
  kind,
  root,
  state: 'failed',
  reason,
  pending: [],
  problems: [],
  faults: [],
  conflicts: [],
  kept: [],
  replacesBy: 'exchange',
  isWatched: true,
});

function changeIn(event: StreamEvent) {
  if (event.type === 'document.changed') {
    const { document } = event.data;
    return { row: document, change: { document: remoteDocument(document) } };
  }
  if (event.type === 'document.conflict') {
    const { conflict } = event.data;
    return { row: conflict, change: { conflict: remoteConflict(conflict), isSettled: conflict.settledAt !== null } };
  }
  return undefined;
}

function reasonToStay(root: string, { state, reason, pending, problems }: ReturnType<Mirror['status']>) {
  if (state === 'stopped') return `${root} stays: ${reason}`;
  const paths = [...new Set([...problems, ...pending].map(({ path }) => path))];
  if (paths.length === 0) return undefined;
  const more = paths.length > 3 ? ` and ${paths.length - 3} more` : '';
  return `${root} stays: ${paths.slice(0, 3).join(', ')}${more} could not be shared.`;
}
