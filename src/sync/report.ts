/** The file in each project's folder that says what of it is not shared. */
import type { Directory } from './directory.ts';

/** Ours by its name, so it is never shared itself. */
const REPORT = '_errors.md';

/**
 * @param problems path → why
 * @returns path of each report that is needed → its text, the same for the same problems
 */
export function reports(problems: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const lines = new Map<string, string[]>();
  for (const [path, reason] of [...problems].toSorted(([a], [b]) => (a < b ? -1 : 1))) {
    const [team, project, ...rest] = path.split('/');
    // Only what lies in a project has a place for a report; the rest is in the status.
    if (project === undefined || rest.length === 0) continue;
    const report = `${team}/${project}/${REPORT}`;
    const line = `- ${JSON.stringify(rest.join('/'))}: ${reason}`;
    lines.set(report, [...(lines.get(report) ?? []), line]);
  }
  return new Map([...lines].map(([report, found]) => [report, `${HEAD}${found.join('\n')}\n`]));
}

/** Whether a text is a report of ours, and not one that a person gave the name of one. */
export const isReport = (text: string): boolean => text.startsWith(HEAD);

const HEAD = `# Not shared

aachat left these files as they are. This list is its own and goes away when nothing is left to say.

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
