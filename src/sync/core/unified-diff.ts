/** What changed between two texts, for people and for `patch`. */
import { type Change, diff, intern, splitLines } from './diff.ts';

/**
 * What changed, as `patch` and `git apply` read, without colours; empty when nothing changed.
 *
 * @param context equal lines around each hunk
 * @param names what the two header lines call the texts
 */
export function unifiedDiff(
  before: string,
  after: string,
  {
    context = 3,
    names = ['before', 'after'],
  }: { readonly context?: number; readonly names?: readonly [before: string, after: string] } = {},
): string {
  const [old, now] = [splitLines(before), splitLines(after)];
  const { ids, count } = intern(old, now);
  const changes = diff(ids[0] ?? new Int32Array(), ids[1] ?? new Int32Array(), count);
  const hunks: Change[][] = [];
  for (const change of changes) {
    const last = hunks.at(-1)?.at(-1);
    if (last !== undefined && change.beforeStart - last.beforeEnd <= 2 * context) hunks.at(-1)?.push(change);
    else hunks.push([change]);
  }
  const line = (sign: string, text: string) =>
    `${sign}${text}${text.endsWith('\n') ? '' : '\n\\ No newline at end of file\n'}`;
  const place = (start: number, length: number) => `${length === 0 ? start : start + 1},${length}`;
  const body = hunks.map((hunk) => {
    const [first, last] = [hunk[0], hunk.at(-1)];
    if (first === undefined || last === undefined) return '';
    const lead = Math.min(context, first.beforeStart);
    const tail = Math.min(context, old.length - last.beforeEnd);
    let at = first.beforeStart - lead;
    let text = '';
    for (const { beforeStart, beforeEnd, afterStart, afterEnd } of hunk) {
      for (const same of old.slice(at, beforeStart)) text += line(' ', same);
      for (const gone of old.slice(beforeStart, beforeEnd)) text += line('-', gone);
      for (const come of now.slice(afterStart, afterEnd)) text += line('+', come);
      at = beforeEnd;
    }
    for (const same of old.slice(at, at + tail)) text += line(' ', same);
    const from = place(first.beforeStart - lead, last.beforeEnd + tail - first.beforeStart + lead);
    const to = place(first.afterStart - lead, last.afterEnd + tail - first.afterStart + lead);
    return `@@ -${from} +${to} @@\n${text}`;
  });
  return body.length === 0 ? '' : `--- ${names[0]}\n+++ ${names[1]}\n${body.join('')}`;
}
