/**
 * Where a document lies in a mirror: `<team>/<project>/<kind>/<name>.md`, with `/` on every system. The only place that
 * knows this grammar, which names are ours, and which could not lie in a folder of every system.
 *
 * Ours are names that begin with `_`, but for `_template`, and `<name>.conflict-<n>-<who>.md` beside a document: text of `<who>` that was
 * kept aside.
 */
import { z } from 'zod';
import { AachatError } from '#base/errors.ts';
import { AgentBase, ProjectName, TeamSlug } from './ids.ts';

const MOST_CHARACTERS = 64;
/** A file name has 255 bytes on most systems; what is added for a conflict takes the rest. */
const MOST_BYTES = 180;
const SUFFIX = '.md';

/** A document that says what those beside it have to be: its folder is a kind. */
export const TEMPLATE = '_template';

/** Devices on Windows, with any extension. */
const DEVICE = /^(con|prn|aux|nul|com\d|lpt\d) *(\.|$)/;
const OURS = /\.conflict-\d+-/;

/**
 * One spelling for all names that some file system takes for the same. Two living documents of a project and kind
 * never have the same one.
 */
export function foldName(name: string): string {
  // Three times, because letters such as `ẞ ß ss` meet only after two changes.
  return name.normalize('NFC').toLowerCase().toUpperCase().toLowerCase().normalize('NFC');
}

/** Why a text cannot be the name of a document, as a sentence; undefined if it can. */
function nameProblem(name: string): string | undefined {
  if (name === '') return 'A document needs a name.';
  if (name === TEMPLATE) return undefined;
  if (name.startsWith('_')) return 'Names that begin with `_` belong to aachat.';
  if (OURS.test(foldName(name))) return 'Names with `.conflict-<n>-` belong to aachat.';
  const stranger = /[^\p{L}\p{M}\p{N}._ -]|\p{Default_Ignorable_Code_Point}/u.exec(name)?.[0];
  if (stranger !== undefined) {
    return `A document name has letters, digits, \`.\`, \`_\`, \`-\` and spaces; not ${JSON.stringify(stranger)}.`;
  }
  if (!/^[\p{L}\p{N}]/u.test(name) || /[._ -]$/.test(name)) {
    return 'A document name begins and ends with a letter or digit.';
  }
  if (name !== name.normalize('NFC')) return 'The accents of this name are separate characters: write it anew (NFC).';
  if (DEVICE.test(name.normalize('NFKC').toLowerCase())) return 'This is the name of a device on Windows.';
  if (Array.from(name).length > MOST_CHARACTERS || new TextEncoder().encode(name).length > MOST_BYTES) {
    return `A document name has at most ${MOST_CHARACTERS} characters and ${MOST_BYTES} bytes.`;
  }
  return undefined;
}

export const DocumentName = z.string().superRefine((name, context) => {
  const message = nameProblem(name);
  if (message !== undefined) context.addIssue({ code: 'custom', message });
});

/** What sort of document it is, in a word that the project chooses: `notes`, `tasks`. A folder in a mirror. */
export const DocumentKind = z
  .string()
  .regex(
    /^[a-z][a-z0-9_-]{0,31}$/,
    'A kind has small letters, digits, `_` and `-`, at most 32 of them, and begins with a letter.',
  )
  .refine((kind) => !DEVICE.test(kind), 'This is the name of a device on Windows.');

export interface DocumentPath {
  readonly team: string;
  /** Its name, such as `launch` or `dm:ada.mia`. */
  readonly project: string;
  readonly kind: string;
  readonly name: string;
}

const toFolder = (project: string): string => project.replace(/^dm:/, 'dm.');
const toProject = (folder: string): string => folder.replace(/^dm\./, 'dm:');

const pathOf = ({ team, project, kind }: DocumentPath, file: string): string =>
  [team, toFolder(project), kind, `${file}${SUFFIX}`].join('/');

export const formatDocumentPath = (path: DocumentPath): string => pathOf(path, path.name);

/** @throws AachatError `VALIDATION_ERROR` that says what is wrong */
export function parseDocumentPath(text: string): DocumentPath {
  const { file, ...folders } = splitPath(text);
  return { ...folders, name: checked(DocumentName, file, text) };
}

/** A text that was kept aside, as a file beside its document. */
export interface ConflictPath {
  readonly document: DocumentPath;
  /** Counts from 1 in each document. */
  readonly number: number;
  readonly who: string;
}

/** The author in a conflict's file name: a login, or the first half of an agent's name. */
export const conflictWho = (authorName: string): string => authorName.split('.', 1)[0] ?? authorName;

export const formatConflictPath = ({ document, number, who }: ConflictPath): string =>
  pathOf(document, `${document.name}.conflict-${number}-${who}`);

/** @returns undefined if it is not the path of a conflict */
export function parseConflictPath(text: string): ConflictPath | undefined {
  const [, document, number, who] = /^(.+)\.conflict-([1-9]\d{0,8})-([^./]+)\.md$/.exec(text) ?? [];
  if (document === undefined || !AgentBase.safeParse(who).success) return undefined;
  try {
    return { document: parseDocumentPath(`${document}${SUFFIX}`), number: Number(number), who: String(who) };
  } catch {
    return undefined;
  }
}

function splitPath(text: string): Omit<DocumentPath, 'name'> & { readonly file: string } {
  const [team, folder, kind, file, ...more] = text.split('/');
  if (team === undefined || folder === undefined || kind === undefined || file === undefined || more.length > 0) {
    throw refused(text, 'A document lies in <team>/<project>/<kind>/.');
  }
  if (!file.endsWith(SUFFIX)) throw refused(text, `A document is a file that ends in \`${SUFFIX}\`.`);
  // Only the folder's spelling is a path: `dm:ada.mia` would be a second one for the same document.
  if (folder.includes(':')) throw refused(text, 'The folder of a dm is `dm.<agent>.<owner>`.');
  return {
    team: checked(TeamSlug, team, text),
    project: checked(ProjectName, toProject(folder), text),
    kind: checked(DocumentKind, kind, text),
    file: file.slice(0, -SUFFIX.length),
  };
}

function checked(schema: z.ZodType<string>, value: string, path: string): string {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw refused(path, parsed.error.issues[0]?.message ?? 'It is no name.');
}

const refused = (path: string, reason: string): AachatError =>
  new AachatError('VALIDATION_ERROR', `${JSON.stringify(path)} cannot be a document. ${reason}`, {
    hint: 'Rename it, or move it out of the folder.',
  });
