/** What people are shown about the folders that `aachat up` keeps in step. Pure: state in, lines out. */
import type { MirrorView } from '#contract/control.ts';
import { formatDocumentPath, parseConflictPath } from '#contract/paths.ts';
import { shellQuote } from '#runtime/shim.ts';
import { clockTime } from './output.ts';

/** From what a person must see to, to what is well. */
const STATES = ['failed', 'stopped', 'offline', 'syncing', 'in sync'] as const;

/** `documents  in sync  3 folders`: the worst of all of them. */
export function documentsLine(mirrors: readonly MirrorView[]): string {
  const worst = STATES.find((state) => mirrors.some((mirror) => mirror.state === state)) ?? 'in sync';
  const waiting = new Set(mirrors.flatMap(({ pending }) => pending.map(({ path }) => path))).size;
  const conflicts = new Set(mirrors.flatMap((mirror) => mirror.conflicts)).size;
  const problems = mirrors.flatMap((mirror) => mirror.problems).length;
  const faults = faultsOf(mirrors).size;
  return [
    'documents',
    problems > 0 ? `${worst} but for ${problems === 1 ? '1 file' : `${problems} files`}` : worst,
    mirrors.length === 1 ? '1 folder' : `${mirrors.length} folders`,
    ...(waiting > 0 ? [`waiting=${waiting}`] : []),
    ...(conflicts > 0 ? [`conflicts=${conflicts}`] : []),
    ...(faults > 0 ? [`not as asked=${faults}`] : []),
  ].join('  ');
}

/**
 * What somebody has to see to, a line each; the same for the same state.
 *
 * @param most lines about files of one folder, and about conflicts
 */
export function documentTroubles(
  mirrors: readonly MirrorView[],
  most: number = Number.POSITIVE_INFINITY,
): readonly string[] {
  const lines = mirrors.flatMap(({ root, state, reason, problems, kept }) => [
    ...(state === 'failed' ? [`! ${root}: ${reason}`] : []),
    ...(state === 'stopped'
      ? [
          `! ${root}: ${reason} Should the files come back, or be deleted for everybody? Until you answer nothing is.`,
          `  Bring them back: aachat doc resume --restore ${shellQuote(root)}`,
          `  Delete them for everybody: aachat doc resume --delete ${shellQuote(root)}`,
        ]
      : []),
    ...first(
      problems.map(({ path, reason: why }) => `! ${root}/${path}: ${why}`),
      most,
      (more) => `! and ${more} more in ${root}: see _errors.md of their projects, or aachat status --json`,
    ),
    ...kept.map(({ path, file }) => `! ${root}/${path} had to give way; its text is in ${file}`),
  ]);
  const conflicts = [...new Set(mirrors.flatMap((mirror) => mirror.conflicts))];
  const faults = [...faultsOf(mirrors)];
  return [
    ...lines,
    ...first(
      conflicts.map((path) => `! ${path} was kept aside: aachat doc conflicts ${shellQuote(documentOf(path))}`),
      most,
      (more) => `! and ${more} more were kept aside: aachat doc conflicts`,
    ),
    ...first(
      faults.map(([path, why]) => `! ${path} is shared, but not as its template asks: ${why}`),
      MOST,
      (more) => `! and ${more} more: see _errors.md of their projects`,
    ),
  ];
}

const first = (lines: readonly string[], most: number, rest: (more: number) => string): readonly string[] =>
  lines.length > most ? [...lines.slice(0, most), rest(lines.length - most)] : lines;

/** Path of the document that a conflict's file lies beside. */
function documentOf(path: string): string {
  const conflict = parseConflictPath(path);
  return conflict === undefined ? path : formatDocumentPath(conflict.document);
}

/** Path → what is wrong; most folders show the same documents. */
const faultsOf = (mirrors: readonly MirrorView[]): ReadonlyMap<string, string> =>
  new Map(mirrors.flatMap((mirror) => mirror.faults.map(({ path, reason }) => [path, reason])));

/** Everything about each folder, for `aachat status`. */
export function documentDetails(mirrors: readonly MirrorView[]): readonly string[] {
  const folders = mirrors.flatMap(
    ({ root, state, reason, since, pending, problems, conflicts, replacesBy, isWatched }) => [
      [
        `  ${root}: ${state}${since === undefined ? '' : ` since ${clockTime(since)}`}`,
        ...(reason === undefined || HAS_A_LINE.includes(state) ? [] : [` (${reason})`]),
        ...(problems.length > 0 ? [`  not shared=${problems.length}`] : []),
        ...(conflicts.length > 0 ? [`  conflicts=${conflicts.length}`] : []),
      ].join(''),
      ...first(
        pending.map((one) => `    ${one.path} waits since ${clockTime(one.since)}: ${one.why}`),
        MOST,
        (more) => `    and ${more} more`,
      ),
      ...RISKS[replacesBy],
      ...(isWatched ? [] : [NOT_WATCHED]),
    ],
  );
  return mirrors.length === 0 ? [] : [documentsLine(mirrors), ...folders, ...documentTroubles(mirrors, MOST)];
}

const RISKS: Readonly<Record<MirrorView['replacesBy'], readonly string[]>> = {
  exchange: [],
  link: [
    '    Names cannot be exchanged here: a save by rename in the moment of a replacement may be lost. The single',
    '    executable and Node 26 or newer can do it on the disks of Linux and macOS.',
  ],
  copy: ['    This disk has no hard links: a save in the moment of a replacement may be lost.'],
};
const NOT_WATCHED =
  '    The system does not tell of every change here, so they are found every 5 s: raise fs.inotify.max_user_watches, fs.inotify.max_user_instances or `ulimit -n`, then start `aachat up` again.';

/** `documentTroubles` says why. */
const HAS_A_LINE: readonly MirrorView['state'][] = ['failed', 'stopped'];
const MOST = 10;
