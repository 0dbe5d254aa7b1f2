/** Who looks at the sessions of one `up`, and who of them steers one: at most one in each workspace. In memory only. */
import { AachatError } from '#base/errors.ts';
import { newId } from '#base/id.ts';
import { isRunning as isProcessRunning, type ProcessIdentity } from '#base/process.ts';
import { type Clock, isoTime } from '#base/time.ts';
import { ATTACHMENT_SILENCE_MS, type Attachment, type AttachmentId } from '#contract/control.ts';
import { type SessionId, shortId } from '#contract/ids.ts';

export interface Attachments {
  /** Those that are there; whoever is dead or silent is not. */
  list(): readonly Attachment[];
  /** Whether somebody steers it. */
  isSteered(sessionId: SessionId): boolean;
  /**
   * @param asked.end called when another one takes this one's place
   * @throws AachatError `CONFLICT` naming the one who steers what is in that workspace
   */
  open(asked: {
    readonly sessionId: SessionId;
    readonly workspace: string;
    readonly interactive: boolean;
    readonly holder: ProcessIdentity;
    readonly end: () => void;
  }): AttachmentId;
  /** @throws AachatError `NOT_FOUND` if another one took its place */
  beat(id: AttachmentId): void;
  close(id: AttachmentId): void;
}

interface Entry {
  readonly view: Attachment;
  readonly workspace: string;
  readonly holder: ProcessIdentity;
  readonly end: () => void;
  heardAt: number;
}

/** @param onClose one has gone */
export function createAttachments(
  onClose: () => void,
  clock: Clock = Date.now,
  isRunning = isProcessRunning,
): Attachments {
  const entries = new Map<AttachmentId, Entry>();
  const isThere = ({ holder, heardAt, view }: Entry): boolean =>
    isRunning(holder) && (!view.interactive || clock() - heardAt < ATTACHMENT_SILENCE_MS);
  return {
    list: () => [...entries.values()].filter(isThere).map(({ view }) => view),
    isSteered: (sessionId) =>
      [...entries.values()].some(
        (entry) => entry.view.interactive && entry.view.sessionId === sessionId && isThere(entry),
      ),
    open({ sessionId, workspace, interactive, holder, end }) {
      for (const [id, entry] of entries) {
        if (!interactive || !entry.view.interactive || entry.workspace !== workspace) continue;
        if (isThere(entry)) throw held(entry.view);
        entries.delete(id);
        entry.end();
      }
      const now = clock();
      const id = newId<AttachmentId>();
      const view = { id, sessionId, interactive, pid: holder.pid, since: isoTime(now) };
      entries.set(id, { view, workspace, holder, end, heardAt: now });
      return id;
    },
    beat(id) {
      const entry = entries.get(id);
      if (entry === undefined) throw new AachatError('NOT_FOUND', 'Somebody else is attached in your place.');
      entry.heardAt = clock();
    },
    close(id) {
      if (entries.delete(id)) onClose();
    },
  };
}

const held = ({ sessionId, pid, since }: Attachment): AachatError =>
  new AachatError(
    'CONFLICT',
    `Somebody is attached to session ${shortId(sessionId)} already: pid ${pid}, since ${since}.`,
    {
      hint: `Look on with \`aachat session attach ${shortId(sessionId)} --watch\`, or end the other one.`,
    },
  );
