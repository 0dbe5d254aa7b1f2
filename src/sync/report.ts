/** The file in each project's folder that says what of it is not shared. */

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
