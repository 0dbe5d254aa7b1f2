import { execFile } from 'node:child_process';
import { appendFile, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { processStart } from '#base/process.ts';
import { foldLog, type LogEvent, openEventLog, outputsOf, type Reducer, readEventLog } from '#runtime/event-log.ts';
import { encode } from '#runtime/log-lines.ts';
import { readAside } from '#runtime/log-outputs.ts';
import { RECOVERY } from '#runtime/recovery.ts';
import { tempDir } from '../support/temp.ts';

const problem = (message: string): LogEvent => ({ type: 'problem', message, hint: null });
const line = (seq: number, message: string) => encode({ seq, at: '2026-01-01T00:00:00.000Z', ...problem(message) });
const messages = (lines: readonly { type: string }[]) => lines.map((one) => (one as { message?: string }).message);
const COUNT: Reducer<number> = { initial: 0, advance: (count) => count + 1 };
const root = join(import.meta.dirname, '../..');

async function scratch() {
  const dir = await tempDir();
  const asides = async () => (await readdir(dir.path)).filter((name) => name.includes('.damaged-'));
  return { ...dir, path: join(dir.path, 'events.jsonl'), dir: dir.path, asides };
}

/** Runs a module with `openEventLog` and `COUNT` in scope, and the log's path in `path`. */
const inChild = (script: string, path: string, before = '') =>
  promisify(execFile)(
    'sh',
    [
      '-c',
      `${before} exec "$0" --disable-warning=ExperimentalWarning --input-type=module --eval "$1" "$2"`,
      process.execPath,
      `import { openEventLog } from '#runtime/event-log.ts';
       // A file that may not grow is to be like a full disk: an error, and no death.
       process.on('SIGXFSZ', () => {});
       const path = process.argv[1];
       const COUNT = { initial: 0, advance: (count) => count + 1 };
       const problem = (message) => ({ type: 'problem', message, hint: null });
       ${script}`,
      path,
    ],
    { cwd: root },
  );

describe('event log', () => {
  test('L1 L4 what was appended is read again, numbered in call order', async () => {
    await using s = await scratch();
    {
      await using log = await openEventLog(s.path, COUNT);
      await Promise.all(
        ['a', 'line\u2028separator', 'null \0 byte'].map((text) => log.append(problem(text), 'durable')),
      );
    }
    await using again = await openEventLog(s.path, COUNT);
    expect(again.state).toBe(3);
    await again.append(problem('d'));
    const lines = await readEventLog(s.path);
    expect(messages(lines)).toEqual(['a', 'line\u2028separator', 'null \0 byte', 'd']);
    expect(lines.map(({ seq }) => seq)).toEqual([1, 2, 3, 4]);
  });

  test('L2 a log of a newer version is neither read nor cut', async () => {
    await using s = await scratch();
    const newer = encode({ v: 1_000, seq: 2, at: '2026-01-01T00:00:00.000Z', ...problem('from the future') });
    await writeFile(s.path, line(1, 'old') + newer);
    await expect(openEventLog(s.path, COUNT)).rejects.toMatchObject({ code: 'PROTOCOL_MISMATCH' });
    await expect(readEventLog(s.path)).rejects.toMatchObject({ code: 'PROTOCOL_MISMATCH' });
    expect(await readFile(s.path, 'utf8')).toBe(line(1, 'old') + newer);
    // Refused, it has not become the writer.
    await truncate(s.path, line(1, 'old').length);
    await using log = await openEventLog(s.path, COUNT);
    expect(log.state).toBe(1);
  });

  test('L3 a line that the disk did not take as a whole hides none of those after it', async () => {
    await using s = await scratch();
    const script = `
      await using log = await openEventLog(path, COUNT);
      await log.append(problem('small'));
      await log.append(problem('x'.repeat(100_000))).catch(() => {});
      await log.append(problem('after'));`;
    // Files may not grow past a few blocks there.
    await inChild(script, s.path, 'ulimit -f 16;');
    expect(messages(await readEventLog(s.path))).toEqual(['small', 'after']);
  });

  test('L5 a long output lies beside the log, whole, and is known by its digest', async () => {
    await using s = await scratch();
    const text = `needle ${'long '.repeat(100_000)}`;
    const content = [{ type: 'content', content: { type: 'text', text } }];
    const update = { sessionUpdate: 'tool_call_update', toolCallId: 'c', title: 'Read', status: 'completed', content };
    {
      await using log = await openEventLog(s.path, COUNT);
      await log.append({ type: 'update', turnId: null, update });
      await log.append({ type: 'update', turnId: null, update: { sessionUpdate: 'plan', entries: [] } });
    }
    expect((await stat(s.path)).size).toBeLessThan(16 * 1024);
    const [long, short] = await readEventLog(s.path);
    if (long?.type !== 'update' || long.whole === undefined) throw new Error('It is not beside the log.');
    expect(long.update).toMatchObject({ title: 'Read', status: 'completed' });
    expect(await readAside(outputsOf(s.path), long.whole)).toEqual(update);
    expect(short).not.toHaveProperty('whole');
    await appendFile(join(outputsOf(s.path), long.whole.file), ' ');
    expect(await readAside(outputsOf(s.path), long.whole)).toBeUndefined();
    await rm(outputsOf(s.path), { recursive: true });
    expect(await readAside(outputsOf(s.path), long.whole)).toBeUndefined();
    expect(await readAside(outputsOf(s.path), { ...long.whole, file: '../events.jsonl' })).toBeUndefined();
  });

  test('L6 a second writer is refused and told who the first one is', async () => {
    await using s = await scratch();
    await using log = await openEventLog(s.path, COUNT);
    await log.append(problem('mine'));
    const refused = { code: 'CONFLICT', message: expect.stringContaining(`Process ${process.pid} `) };
    await expect(openEventLog(s.path, COUNT)).rejects.toMatchObject(refused);
    const other = inChild('await openEventLog(path, COUNT);', s.path);
    await expect(other).rejects.toMatchObject({ stderr: expect.stringContaining(`Process ${process.pid} `) });
    expect(messages(await readEventLog(s.path))).toEqual(['mine']);
  });

  test('L6 many that want to write at once: one of them does', async () => {
    await using s = await scratch();
    const script = `
      const log = await openEventLog(path, COUNT);
      for (let i = 0; i < 50; i += 1) await log.append(problem('of ' + process.pid));
      setTimeout(() => {}, 2_000_000);
      process.stdout.write('written', () => process.kill(process.pid, 'SIGKILL'));`;
    const ends = await Promise.allSettled([1, 2, 3].map(() => inChild(script, s.path)));
    // Each was killed at its end, or refused before it began: no two wrote at the same time.
    const lines = messages(await readEventLog(s.path));
    expect(lines.length % 50).toBe(0);
    expect(lines.length).toBeGreaterThan(0);
    for (let at = 0; at < lines.length; at += 50) expect(new Set(lines.slice(at, at + 50)).size).toBe(1);
    expect(ends.every(({ status }) => status === 'rejected')).toBe(true);
    expect(await s.asides()).toEqual([]);
  });

  test('L6 a writer that is dead, or another process under its number, never blocks', async () => {
    await using s = await scratch();
    const child = inChild("await openEventLog(path, COUNT); process.kill(process.pid, 'SIGKILL');", s.path);
    await expect(child).rejects.toThrow();
    expect(await readdir(s.dir)).toContain('events.jsonl.writer');
    await using log = await openEventLog(s.path, COUNT);
    await log[Symbol.asyncDispose]();
    const reused = { pid: process.ppid, startedAt: `before ${processStart(process.ppid)}` };
    await writeFile(`${s.path}.writer`, JSON.stringify(reused));
    await using again = await openEventLog(s.path, COUNT);
    await again.append(problem('free'));
  });

  test('L7 a writer that finds what it did not write stops, and the next one puts that aside', async () => {
    await using s = await scratch();
    {
      await using log = await openEventLog(s.path, COUNT);
      await log.append(problem('one'));
      // Whole, but numbered by somebody who did not ask.
      await appendFile(s.path, line(2, 'two') + line(2, 'also two'));
      await expect(log.append(problem('mine'))).rejects.toMatchObject({ code: 'CONFLICT' });
    }
    await using log = await openEventLog(s.path, COUNT);
    await log.append(problem('three'));
    expect(messages(await readEventLog(s.path))).toEqual(['one', 'two', 'three']);
    const [aside = ''] = await s.asides();
    expect(await readFile(join(s.dir, aside), 'utf8')).toBe(line(2, 'also two'));
  });

  test.for([
    ['a torn line', Buffer.from(line(3, 'three').slice(0, -5))],
    ['NULs of a power loss', Buffer.alloc(4096)],
    ['NULs and a line after them', Buffer.concat([Buffer.alloc(512), Buffer.from(line(3, 'three'))])],
    ['an empty line', Buffer.from('\n')],
    ['a line twice', Buffer.from(line(2, 'two'))],
    ['a line that is missing', Buffer.from(line(4, 'four'))],
    ['a line of another log', Buffer.from(line(1, 'other'))],
    ['what is no text', Buffer.from([0xff, 0xfe, 0x0a, 0x00, 0x0a])],
  ] as const)('L9 %s is cut and kept aside', async ([, tail]) => {
    await using s = await scratch();
    await writeFile(s.path, Buffer.concat([Buffer.from(line(1, 'one') + line(2, 'two')), tail]));
    expect(messages(await readEventLog(s.path))).toEqual(['one', 'two']);
    {
      await using log = await openEventLog(s.path, COUNT);
      expect(log.state).toBe(2);
      await log.append(problem('next'));
    }
    expect(messages(await readEventLog(s.path))).toEqual(['one', 'two', 'next']);
    const [aside = '', ...more] = await s.asides();
    expect(more).toEqual([]);
    expect(tail.equals(await readFile(join(s.dir, aside)))).toBe(true);
    await using log = await openEventLog(s.path, COUNT);
    expect([log.state, (await s.asides()).length]).toEqual([3, 1]);
  });

  test('L9 what cannot be kept aside on a full disk is not cut', async () => {
    await using s = await scratch();
    const tail = 'x'.repeat(100_000);
    await writeFile(s.path, line(1, 'one') + tail);
    const child = inChild('await openEventLog(path, COUNT);', s.path, 'ulimit -f 16;');
    await expect(child).rejects.toThrow();
    expect([(await stat(s.path)).size, await s.asides()]).toEqual([line(1, 'one').length + tail.length, []]);
    await using log = await openEventLog(s.path, COUNT);
    expect([log.state, (await s.asides()).length]).toEqual([1, 1]);
  });

  test('L10 50 MB with a damaged end are read and mended in little memory', async () => {
    await using s = await scratch();
    const text = 'word '.repeat(200);
    let [seq, part] = [0, ''];
    for (let bytes = 0; bytes < 50e6; bytes += part.length) {
      part = '';
      for (let count = 0; count < 1_000; count += 1) part += line(++seq, text);
      await appendFile(s.path, part);
    }
    await appendFile(s.path, Buffer.alloc(5e6));
    expect(await foldLog(s.path, RECOVERY)).toEqual(RECOVERY.initial);
    // Read at once it would be 200 MB of objects: this has the whole program, and fits into less.
    const script = 'await using log = await openEventLog(path, COUNT); process.stdout.write(String(log.state));';
    const { stdout } = await inChild(script, s.path, 'export NODE_OPTIONS=--max-old-space-size=48;');
    expect(stdout).toBe(String(seq));
    const [aside = ''] = await s.asides();
    expect((await stat(join(s.dir, aside))).size).toBe(5e6);
  });
});
