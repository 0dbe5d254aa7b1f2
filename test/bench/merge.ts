/** The merge of documents against `git merge-file`, spawned in the same run: six scattered edits on each side. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { merge } from '#sync/core/merge.ts';
import { interleave, ms, type Row, times } from './measure.ts';

type Texts = readonly [base: string, head: string, submitted: string];

/** Paragraphs of three lines of twelve words, or numbered lines with blank lines between them. */
function scattered(bytes: number, blank: boolean): Texts {
  const lines: string[] = [];
  let random = 1;
  const word = () => {
    random = (random * 48_271) % 2_147_483_647;
    return `w${random % 900}`;
  };
  for (let size = 0; size < bytes; ) {
    const line = blank ? `w${lines.length}` : Array.from({ length: 12 }, word).join(' ');
    lines.push(line);
    if (blank || lines.length % 4 === 3) lines.push('');
    size += line.length + 2;
  }
  const edited = (writer: string, shift: number) =>
    lines.map((line, index) => {
      const isPlace = (index + shift) % Math.floor(lines.length / 6) === 0;
      return isPlace && index < lines.length - 6 ? `${line} ${writer}${index}` : line;
    });
  return [lines, edited('head', 3), edited('submitted', 11)].map((text) => `${text.join('\n')}\n`) as unknown as Texts;
}

export async function merges(rounds: number): Promise<readonly Row[]> {
  const dir = mkdtempSync(join(tmpdir(), 'aachat-bench-merge-'));
  try {
    const rows: Row[] = [];
    const cases: readonly (readonly [what: string, aim: string, texts: Texts])[] = [
      ['10 KB', '< 1×', scattered(10_000, false)],
      ['100 KB', '< 1×', scattered(100_000, false)],
      ['1 MB', '< 1×, < 50 ms', scattered(1_000_000, false)],
      ['10 KB, every other line blank', '< 1×, < 10 ms', scattered(10_000, true)],
      ['every other line blank, 64,000 lines', '< 2×', scattered(250_000, true)],
    ];
    for (const [what, aim, [base, head, submitted]] of cases) {
      const files = (['head', 'base', 'submitted'] as const).map((name) => join(dir, name));
      for (const [index, text] of [head, base, submitted].entries()) writeFileSync(files[index] ?? '', text);
      const { text, overlaps } = merge(base, head, submitted);
      const git = () => spawnSync('git', ['merge-file', '-p', ...files], { encoding: 'utf8', maxBuffer: 1e8 });
      if (overlaps.length > 0 || git().stdout !== text) throw new Error(`The two merges of ${what} differ.`);
      const took = await interleave(rounds, { ours: () => merge(base, head, submitted), git });
      rows.push({
        what: `merge, ${what}`,
        measured: ms(took.ours),
        floor: `${ms(took.git)} git merge-file`,
        ratio: times(took.ours / took.git),
        aim,
      });
    }
    return rows;
  } finally {
    rmSync(dir, { recursive: true });
  }
}
