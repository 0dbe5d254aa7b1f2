/**
 * Names and contents, side by side in one mirror: what cannot be shared is reported with its reason, left as it is, and
 * no longer reported once it is mended; what can be shared arrives byte for byte.
 */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { linkSync, mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { MemoryServer } from '../support/memory-replica.ts';
import { inStep, openMirror } from '../support/mirror.ts';

const MIB = 1024 * 1024;
const project = 'acme/launch';
const folder = `${project}/notes`;
const report = `${project}/_errors.md`;

const own = new AsyncDisposableStack();
const server = new MemoryServer();
const one = own.use(await openMirror(server, { who: 'mia' }));
const other = own.use(await openMirror(server, { who: 'bo' }));
const secret = join(one.root, '../secret');

beforeAll(async () => {
  mkdirSync(secret);
  writeFileSync(join(secret, 'plan.md'), 'secret\n');
  await one.write(`${folder}/twin.md`, 'first\n');
  await one.write(`${folder}/caf\u00e9.md`, 'first\n');
  await inStep(server, one, other);
});
afterAll(() => own.disposeAsync());

/** At once, however large: a busy machine may take longer over it than a mirror waits for the rest. */
function place(file: string, bytes: Uint8Array | string): void {
  writeFileSync(`${file}.tmp.1.ab`, bytes);
  renameSync(`${file}.tmp.1.ab`, file);
}
const remove = (file: string) => rmSync(file, { recursive: true });

interface Bad {
  /** Relative to the mirror. */
  readonly path: string;
  readonly make: (file: string) => unknown;
  readonly reason: RegExp;
  /** Makes it well again; absent: removes it. */
  readonly mend?: (file: string) => unknown;
  /** What the document says then; absent: there is none. */
  readonly mended?: string;
}
const named = (path: string, reason: RegExp): Bad => ({ path, make: (file) => writeFileSync(file, 'x\n'), reason });
const rewritten = { mend: (file: string) => place(file, 'good\n'), mended: 'good\n' };

const bad: Record<string, Bad> = {
  'a byte more than 1 MiB': {
    path: `${folder}/large.md`,
    make: (file) => place(file, 'x'.repeat(MIB + 1)),
    reason: /at most 1024 KiB/,
    mend: (file) => truncateSync(file, MIB),
    mended: 'x'.repeat(MIB),
  },
  'bytes that are not UTF-8': {
    path: `${folder}/latin.md`,
    make: (file) => place(file, Buffer.from('Gr\u00fc\u00dfe\n', 'latin1')),
    reason: /not text in UTF-8/,
    ...rewritten,
  },
  'half of a character at the end': {
    path: `${folder}/cut.md`,
    make: (file) => place(file, Buffer.from('Gr\u00fc').subarray(0, 3)),
    reason: /not text in UTF-8/,
    ...rewritten,
  },
  'UTF-16': {
    path: `${folder}/wide.md`,
    make: (file) => place(file, Buffer.from('\ufeffwide\n', 'utf16le')),
    reason: /not text in UTF-8/,
    ...rewritten,
  },
  'a NUL': { path: `${folder}/nul byte.md`, make: (file) => place(file, 'a\0b'), reason: /NUL/, ...rewritten },
  'a folder named like a file': { path: `${folder}/folder.md`, make: mkdirSync, reason: /folder/ },
  'a link to a file': {
    path: `${folder}/link.md`,
    make: (file) => symlinkSync(join(secret, 'plan.md'), file),
    reason: /links are not followed/,
    mend: (file) => place(file, 'good\n'),
    mended: 'good\n',
  },
  'a link to a document beside it': {
    path: `${folder}/alias.md`,
    make: (file) => symlinkSync('twin.md', file),
    reason: /links are not followed/,
  },
  'a link to a folder': {
    path: `${folder}/linked folder.md`,
    make: (file) => symlinkSync(secret, file),
    reason: /links are not followed/,
  },
  'a link in the place of a kind': {
    path: `${project}/linked`,
    make: (file) => symlinkSync(secret, file),
    reason: /link/,
  },
  'a link to nowhere': {
    path: `${folder}/nowhere.md`,
    make: (file) => symlinkSync('nowhere', file),
    reason: /links are not followed/,
  },
  'a link to itself': {
    path: `${folder}/self.md`,
    make: (file) => symlinkSync('self.md', file),
    reason: /links are not followed/,
  },
  'a second name of a file elsewhere': {
    path: `${folder}/hard.md`,
    make: (file) => linkSync(join(secret, 'plan.md'), file),
    reason: /hard link/,
    mend: () => unlinkQuietly(join(secret, 'plan.md')),
    mended: 'secret\n',
  },
  'two names of one file': {
    path: `${folder}/pair.md`,
    make: (file) => {
      place(file, 'pair\n');
      linkSync(file, join(dirname(file), 'pair two.md'));
    },
    reason: /hard link/,
    mend: (file) => unlinkQuietly(join(dirname(file), 'pair two.md')),
    mended: 'pair\n',
  },
  'a FIFO': { path: `${folder}/fifo.md`, make: (file) => spawnSync('mkfifo', [file]), reason: /not a file/ },
  'a socket': {
    path: `${folder}/socket.md`,
    make: async (file) => {
      const listener = createServer();
      listener.listen(file);
      await once(listener, 'listening');
      own.defer(() => void listener.close());
    },
    reason: /not a file/,
  },
  'a name in other letters of case': {
    path: `${folder}/TWIN.md`,
    make: (file) => writeFileSync(file, 'second\n'),
    reason: /already/,
  },
  'a name in other code points (NFD)': named(`${folder}/cafe\u0301.md`, /NFC/),
  ...Object.fromEntries(
    ['con', 'NUL', 'aux.notes', 'COM1', 'lpt9'].map((name) => [
      `the device ${name}`,
      named(`${folder}/${name}.md`, /device on Windows/),
    ]),
  ),
  'a kind that is a device': { path: `${project}/prn/plan.md`, make: makeWithFolder, reason: /device on Windows/ },
  'a path of Windows': named(`${folder}/a\\..\\evil.md`, /not "\\\\"/),
  'a drive of Windows': named(`${folder}/C:evil.md`, /not ":"/),
  'a newline': named(`${folder}/new\nline.md`, /not "\\n"/),
  'a letter that turns the reading direction': named(`${folder}/txt\u202e.md`, /not "/),
  'a letter that nobody sees': named(`${folder}/pl\u200ban.md`, /not "/),
  'too many letters': named(`${folder}/${'x'.repeat(65)}.md`, /at most 64/),
  'too many bytes': named(`${folder}/${'\u{20000}'.repeat(60)}.md`, /180 bytes/),
  'a dot at the end': named(`${folder}/plan..md`, /begins and ends/),
  'a space at the end': named(`${folder}/plan .md`, /begins and ends/),
  'no name': named(`${folder}/-.md`, /begins and ends/),
  'a name of ours': named(`${folder}/_x.md`, /belong to aachat/),
  'a conflict that there is not': named(`${folder}/twin.conflict-1-mia.md`, /no such conflict/),
  'another extension': named(`${folder}/plan.txt`, /ends in `\.md`/),
  'a kind in capital letters': { path: `${project}/Notes/plan.md`, make: makeWithFolder, reason: /small letters/ },
  'too deep': {
    path: `${folder}/deep`,
    make: (file) => makeWithFolder(join(file, 'er.md')),
    reason: /folder/,
    mend: remove,
  },
  'too shallow': named(`${project}/loose.md`, /<team>\/<project>\/<kind>/),
};

/** The system does not tell that a file has one name less: a look at everything finds it. */
async function unlinkQuietly(name: string): Promise<void> {
  unlinkSync(name);
  await one.mirror.flush(60_000);
}

function makeWithFolder(file: string): void {
  mkdirSync(dirname(file));
  writeFileSync(file, 'x\n');
}

const lineOf = (path: string) => `- ${JSON.stringify(path.slice(project.length + 1))}: `;
const problemOf = (path: string) => one.mirror.status().problems.find((found) => found.path === path)?.reason;

test.concurrent.for(Object.entries(bad))('S20, S27: %s', async ([, { path, make, reason, mend = remove, mended }]) => {
  const file = join(one.root, path);
  await make(file);
  await eventually('it is reported', () => problemOf(path));
  expect(problemOf(path)).toMatch(reason);
  await eventually('it is in the list', async () => (await one.read(report))?.includes(lineOf(path)));
  expect(server.text(path)).toBeUndefined();
  await mend(file);
  if (mended !== undefined) {
    await eventually('it is shared', async () => (await other.read(path)) === mended);
    expect(await one.read(path)).toBe(mended);
  }
  await eventually('it is forgotten', () => problemOf(path) === undefined);
  await eventually('it is off the list', async () => (await one.read(report))?.includes(lineOf(path)) !== true);
});

test('S27: a name that is no text is reported until it is gone', async () => {
  const file = Buffer.concat([Buffer.from(join(one.root, folder, 'in')), Buffer.from([0xff]), Buffer.from('valid.md')]);
  writeFileSync(file, 'x\n');
  const isReported = () => one.mirror.status().problems.some(({ reason }) => /Its name is not text/.test(reason));
  await eventually('it is reported', isReported);
  rmSync(file);
  await eventually('it is forgotten', async () => {
    await one.mirror.flush(60_000);
    return !isReported();
  });
});

test('S27: nothing of it went anywhere, and nothing is left to say', async () => {
  for (const { mirror } of [one, other]) await mirror.flush(60_000);
  await inStep(server, one, other);
  const wanted = Object.values(bad).flatMap(({ path, mended }) => (mended === undefined ? [] : [path]));
  const before = [`${folder}/twin.md`, `${folder}/caf\u00e9.md`];
  expect(new Set(server.all().keys())).toEqual(new Set([...wanted, ...before]));
  expect(server.text(`${folder}/twin.md`)).toBe('first\n');
  expect(one.mirror.status()).toMatchObject({ state: 'in sync', problems: [], kept: [] });
  expect(await one.read(report)).toBeUndefined();
});

const exact: Record<string, string> = {
  'a byte order mark': '\ufeff# Plan\n',
  'two byte order marks': '\ufeff\ufeff# Plan\n',
  CRLF: 'one\r\ntwo\r\n',
  'lone CR': 'one\rtwo\r',
  'mixed newlines': 'one\ntwo\r\nthree\rfour',
  'no final newline': 'one\ntwo',
  'nothing but newlines': '\n\n\n',
  'separators of lines and paragraphs': 'one\u2028two\u2029three\u0085four\n',
  'combining characters': 'cafe\u0301 and caf\u00e9\n',
  'emoji and right-to-left': '\u{1f469}\u200d\u{1f4bb} \u05e9\u05dc\u05d5\u05dd \u202bx\u202c\n',
  'control characters': 'a\u0001b\u001bc\u007fd\n',
  'a character that stands for a broken one': 'a\ufffdb\n',
  'a line of 100,000 letters': 'x'.repeat(100_000),
  'front matter and fences': '---\r\ntitle: x\r\n---\r\n```\r\n\tcode  \r\n```\r\n',
};

test('S1, S17: what can be shared arrives byte for byte, and so does an edit of it', async () => {
  const at = (what: string) => `${project}/exact/${what.replace(/\W+/g, ' ')}.md`;
  const arrive = async (textOf: (text: string) => string) => {
    for (const [what, text] of Object.entries(exact)) await one.write(at(what), textOf(text));
    await inStep(server, one, other);
    for (const [what, text] of Object.entries(exact)) {
      expect(await readFile(join(other.root, at(what))), what).toEqual(Buffer.from(textOf(text)));
    }
  };
  await arrive((text) => text);
  await arrive((text) => `${text}more`);
  expect(one.mirror.status().problems).toEqual([]);
});
