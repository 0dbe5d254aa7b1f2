/** The file in each project's folder that says what of it is not shared, or not as its template asks. */
import type { Directory } from './directory.ts';

/** Ours by its name, so it is never shared itself. */
const REPORT = '_errors.md';

/** Of one kind; where more are wrong, the list begins with these. */
const MOST_OF_A_KIND = 100;

/**
 * @param problems path → why it is not shared
 * @param faults path of a document that is shared → what is wrong with it
 * @returns path of each report that is needed → its text, the same for the same problems and faults
 */
export function reports(
  problems: ReadonlyMap<string, string>,
  faults: ReadonlyMap<string, readonly string[]> = new Map(),
): ReadonlyMap<string, string> {
  const parts = new Map<string, string[]>();
  const add = (report: string, part: string) => void parts.set(report, [...(parts.get(report) ?? []), part]);
  const lines = Array.from(problems, ([path, reason]) => [path, [reason]] as const);
  for (const [report, list] of byReport(lines)) add(report, `${NOT_SHARED}${list.map(({ line }) => line).join('')}`);
  for (const [report, list] of byReport([...faults])) {
    const kinds = Map.groupBy(list, ({ folder }) => folder);
    const sections = Array.from(kinds, ([kind, all]) => {
      const shown = all.slice(0, MOST_OF_A_KIND).map(({ line }) => line);
      const more = all.length > shown.length ? `\nAnd ${all.length - shown.length} more.\n` : '';
      return `## Kind: ${kind}\n\n${shown.join('')}${more}`;
    });
    add(report, `${NOT_AS_ASKED}${sections.join('\n')}`);
  }
  return new Map([...parts].map(([report, all]) => [report, all.join('\n')]));
}

interface Line {
  /** Below the project's. */
  readonly folder: string;
  readonly line: string;
}

function byReport(found: readonly (readonly [string, readonly string[]])[]): ReadonlyMap<string, readonly Line[]> {
  const lines = new Map<string, Line[]>();
  for (const [path, reasons] of found.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const [team, project, folder, ...rest] = path.split('/');
    // Only what lies in a project has a place for a report; the rest is in the status.
    if (project === undefined || folder === undefined) continue;
    const report = `${team}/${project}/${REPORT}`;
    const line = `- ${JSON.stringify([folder, ...rest].join('/'))}: ${reasons.join(' ')}\n`;
    const before = lines.get(report);
    if (before === undefined) lines.set(report, [{ folder, line }]);
    else before.push({ folder, line });
  }
  return lines;
}

/** Whether a text is a report of ours, and not one that a person gave the name of one. */
export const isReport = (text: string): boolean => text.startsWith(NOT_SHARED) || text.startsWith(NOT_AS_ASKED);

const NOT_SHARED = `# Not shared

aachat left these files as they are. This list is its own and goes away when nothing is left to say.

`;

const NOT_AS_ASKED = `# Not as the template asks

These documents are shared all the same; the \`_template.md\` beside them says what they have to be. This list is
aachat's own and goes away when nothing is left to say.

`;

/**
 * Writes the reports that are needed, and removes the others.
 *
 * @param written paths of reports that are there; kept up to date
 * @param keep takes what a person wrote, before a report takes its place
 */
export function writeReports(
  wanted: ReadonlyMap<string, string>,
  to: {
    readonly directory: Pick<Directory, 'look' | 'writeOwn' | 'prune'>;
    readonly written: Set<string>;
    readonly keep: (path: string, bytes: Uint8Array) => void;
  },
): void {
  const { directory, written, keep } = to;
  for (const path of new Set([...written, ...wanted.keys()])) {
    const text = wanted.get(path) ?? null;
    const seen = directory.look(path);
    if (seen.kind === 'file' && !isReport(seen.bytes.toString())) {
      if (text === null) continue;
      keep(path, seen.bytes);
    }
    directory.writeOwn(path, text);
    if (text !== null) written.add(path);
    else if (written.delete(path)) directory.prune(path);
  }
}
