/** The YAML at the head of a Markdown file. */

/** Between two lines of `---`; of everything else that begins with one nobody knows what it is. */
const FRONT_MATTER = /^\ufeff?---[ \t]*\r?\n(?<yaml>(?:[\s\S]*?\r?\n)??)---[ \t]*(?:\r?\n|$)/;

/** @returns undefined if there is none */
export function splitFrontMatter(markdown: string): { readonly yaml: string; readonly body: string } | undefined {
  const found = FRONT_MATTER.exec(markdown);
  return found === null ? undefined : { yaml: found.groups?.['yaml'] ?? '', body: markdown.slice(found[0].length) };
}
