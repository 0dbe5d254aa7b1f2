import { execFile } from 'node:child_process';
import { appendFile, readdir, readFile, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { decode, encode, type LogEvent, openEventLog, readEventLog } from '#runtime/event-log.ts';
import { tempDir } from '../support/temp.ts';

const problem = (message: string): LogEvent => ({ type: 'problem', message, hint: null });
const messages = (lines: readonly { type: string }[]) => lines.map((line) => (line as { message?: string }).message);

describe('event log', () => {
  test('what was appended is read again, numbered in order', async () => {
    await using dir = await tempDir();
    const path = join(dir.path, 'events.jsonl');
    {
      await using log = await openEventLog(path);
      await Promise.all(
        ['a', 'line\u2028separator', 'null \0 byte'].map((text) => log.append(problem(text), 'durable')),
      );
    }
    await using again = await openEventLog(path);
    await again.append(problem('d'));
    const lines = await readEventLog(path);
    expect(messages(lines)).toEqual(['a', 'line\u2028separator', 'null \0 byte', 'd']);
    expect(lines.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
  });

  test('a line that the disk did not take as a whole hides none of those after it', async () => {
    await using dir = await tempDir();
    const path = join(dir.path, 'events.jsonl');
    const script = `
      import { openEventLog } from '#runtime/event-log.ts';
      await using log = await openEventLog(process.argv[1]);
      const problem = (message) => log.append({ type: 'problem', message, hint: null });
      await problem('small');
      await problem('x'.repeat(100_000)).catch(() => {});
      await problem('after');`;
    // Files may not grow past a few blocks there.
    const limited = [
      '-c',
      'ulimit -f 16 && exec "$0" --input-type=module --eval "$1" "$2"',
      process.execPath,
      script,
      path,
    ];
    await promisify(execFile)('sh', limited, { cwd: join(import.meta.dirname, '../..') });
    expect(messages(await readEventLog(path))).toEqual(['small', 'after']);
  });

  test('a torn tail is cut at any byte and kept aside', async () => {
    const whole = ['one', 'two', 'three'].map((text, index) =>
      encode({ seq: index + 1, at: '2026-01-01T00:00:00.000Z', ...problem(text) }),
    );
    const bytes = Buffer.from(whole.join(''));
    const ends = whole.map((_, index) => Buffer.byteLength(whole.slice(0, index + 1).join('')));
    for (let cut = 0; cut <= bytes.length; cut += 1) {
      const { lines, goodBytes } = decode(bytes.subarray(0, cut));
      const good = ends.filter((end) => end <= cut).length;
      expect([lines.length, goodBytes]).toEqual([good, ends[good - 1] ?? 0]);
    }
    await using dir = await tempDir();
    const path = join(dir.path, 'events.jsonl');
    await appendFile(path, bytes);
    await truncate(path, bytes.length - 5);
    await using log = await openEventLog(path);
    expect(messages(log.lines)).toEqual(['one', 'two']);
    const aside = (await readdir(dir.path)).find((name) => name.includes('.damaged-'));
    expect(await readFile(join(dir.path, aside ?? ''), 'utf8')).toContain('three');
  });

  test('a changed byte anywhere ends what is trusted', () => {
    const line = encode({ seq: 1, at: '2026-01-01T00:00:00.000Z', ...problem('the truth') });
    fc.assert(
      fc.property(fc.nat(line.length - 2), fc.constantFrom('x', '0', '\u0000', '}'), (at, other) => {
        fc.pre(line[at] !== other);
        expect(decode(Buffer.from(line.slice(0, at) + other + line.slice(at + 1))).lines).toEqual([]);
      }),
    );
  });

  test('trailing NULs of a power loss are set aside', async () => {
    await using dir = await tempDir();
    const path = join(dir.path, 'events.jsonl');
    {
      await using log = await openEventLog(path);
      await log.append(problem('kept'));
    }
    await appendFile(path, Buffer.alloc(4096));
    await using log = await openEventLog(path);
    await log.append(problem('next'));
    expect(messages(await readEventLog(path))).toEqual(['kept', 'next']);
  });
});
