/** Saves, in the ways that programs do it, and what they brought. */
import { execFile } from 'node:child_process';
import { appendFile, mkdir, open, readdir, readFile, rename, rm, utimes, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { isSystemError } from '#base/errors.ts';
import { ROUTES } from '#contract/routes.ts';
import { saveInPlace } from '../support/save.ts';
import { clientId } from '../support/server.ts';
import { type SavedWord, wordsOf } from './check.ts';
import type { Save, Writer } from './plan.ts';
import { FOLDER, type World } from './world.ts';

const run = promisify(execFile);
/** @returns false if the file that it should change is not there */
async function succeeds(program: string, args: readonly string[]): Promise<boolean> {
  try {
    await run(program, args);
    return true;
  } catch (thrown) {
    if (String(thrown).includes('No such file')) return false;
    throw thrown;
  }
}
/** Between the pieces of a slow save, and between deleting and creating anew. */
const PIECE_MS = 12;

/** The words of a run. */
export class Ledger {
  readonly words: (SavedWord & { readonly writer: Writer; readonly name: string })[] = [];

  /** Notes what is about to be saved. */
  begin(word: string, writer: Writer, name: string, how: string): SavedWord {
    const begun = { word, writer, name, how, isSaved: false, isTakenBack: false };
    this.words.push(begun);
    return begun;
  }

  /** Notes what a writer takes out of a document again. */
  replaced(writer: Writer, name: string, before: string, after: string): void {
    const [had, has] = [before, after].map((text) => new Set(wordsOf(text)));
    for (const one of this.words) {
      const isOwn = one.writer === writer && one.name === name;
      if (isOwn && had?.has(one.word) === true && has?.has(one.word) !== true) one.isTakenBack = true;
    }
  }
}

/** Carries one save out. @param word that it brings, if it brings any */
export async function carryOut(world: World, ledger: Ledger, writer: Writer, name: string, save: Save, word: string) {
  const brings = () => ledger.begin(word, writer, name, `${writer} saved ${name}: ${JSON.stringify(save)}`);
  const replaces = (before: string, after: string) => ledger.replaced(writer, name, before, after);
  if (writer === 'http') {
    await push(world, name, save, word, brings, replaces);
    return;
  }
  try {
    await saveFile(join(world.roots[writer], FOLDER), name, save, word, brings, replaces);
  } catch (thrown) {
    // The mirror had just removed it, as others had deleted it.
    if (!isSystemError(thrown, 'ENOENT')) throw thrown;
  }
}

type Replaces = (before: string, after: string) => void;

async function saveFile(
  folder: string,
  name: string,
  save: Save,
  word: string,
  brings: () => SavedWord,
  replaces: Replaces,
): Promise<void> {
  const file = join(folder, `${name}.md`);
  if (save.way === 'settle') {
    await settle(folder, name, save, word, brings);
    return;
  }
  const before = await readFile(file, 'utf8').catch(() => undefined);
  if (save.way === 'delete') {
    replaces(before ?? '', '');
    await rm(file);
    return;
  }
  await mkdir(folder, { recursive: true });
  const begun = brings();
  if (save.way === 'append') {
    await appendFile(file, lineWith(word));
  } else if (save.way === 'sed' && before) {
    // At an end: how many lines there are by now nobody knows.
    const script = `${save.at < 50 ? '1i' : '$a'}${lineWith(word).trim()}`;
    if (!(await succeeds('sed', ['-i', script, file]))) return;
  } else {
    const after = edited(before ?? '', save, word);
    replaces(before ?? '', after);
    await replaceFile(file, after, save.way, word);
  }
  begun.isSaved = true;
}

async function replaceFile(file: string, text: string, way: Save['way'], word: string): Promise<void> {
  switch (way) {
    case 'rename': {
      const temp = `${file}.tmp.${process.pid}.ab`;
      await writeFile(temp, text);
      await rename(temp, file);
      return;
    }
    case 'cp -p': {
      // Not in the folder, but on the same file system.
      const temp = join(dirname(file), '..', '..', '..', '..', `copy-${process.pid}-${text.length}`);
      await writeFile(temp, text);
      await utimes(temp, 1_000_000_000, 1_000_000_000);
      await run('cp', ['-p', temp, file]);
      await rm(temp);
      return;
    }
    case 'recreate':
      await rm(file, { force: true });
      await sleep(PIECE_MS);
      await writeFile(file, text);
      return;
    case 'slowly': {
      await using handle = await open(file, 'w');
      const lines = text.split(/(?<=\n)/);
      // A piece has the word already: if it is taken for a save it is nobody else's.
      const end = Math.max(lines.length / 2, 1 + lines.findIndex((line) => line.includes(word)));
      await handle.write(lines.slice(0, end).join(''));
      await sleep(PIECE_MS);
      await handle.write(lines.slice(end).join(''));
      return;
    }
    default: {
      await saveInPlace(file, text).catch((thrown: unknown) => {
        if (!isSystemError(thrown, 'ENOENT')) throw thrown;
        return writeFile(file, text);
      });
    }
  }
}

/** Saves over a text that was kept aside, or deletes it: only where there is one. */
async function settle(folder: string, name: string, save: Save, word: string, brings: () => SavedWord): Promise<void> {
  const aside = (await readdir(folder)).find((file) => file.startsWith(`${name}.conflict-`) && file.endsWith('.md'));
  if (aside === undefined) return;
  const file = join(folder, aside);
  if (save.edit === 'word') {
    await rm(file);
    return;
  }
  await using handle = await open(file, 'r+');
  const text = edited(await handle.readFile('utf8'), save, word);
  const begun = brings();
  await handle.write(text, 0);
  begun.isSaved = true;
}

/** Over the route that the program uses, at the newest text. Nothing is saved without an answer. */
async function push(
  { mia, project }: World,
  name: string,
  save: Save,
  word: string,
  brings: () => SavedWord,
  replaces: Replaces,
): Promise<void> {
  const begun = save.way === 'delete' ? undefined : brings();
  try {
    const { documents } = await mia.call(ROUTES.listDocuments, { query: { project: project.id, state: 'all' } });
    const { id, digest = null } = documents.find((document) => document.name === name) ?? {};
    let before = '';
    if (id !== undefined && digest !== null) {
      before = (await mia.call(ROUTES.readDocument, { params: { documentId: id, digest } })).text;
    }
    if (begun === undefined && digest === null) return;
    const text = begun === undefined ? null : edited(before, save, word);
    replaces(before, text ?? '');
    const body = { clientId: clientId(), kind: 'notes', name, baseDigest: digest, text };
    await mia.call(ROUTES.pushDocument, { params: { projectId: project.id }, body });
    if (begun !== undefined) begun.isSaved = true;
  } catch (thrown) {
    // How `fetch` says that the server is away.
    if (!(thrown instanceof TypeError)) throw thrown;
  }
}

const lineWith = (word: string): string => `${word} left of the right\n`;

function edited(text: string, { edit, at }: Save, word: string): string {
  const lines = text.split(/(?<=\n)/).filter((line) => line !== '');
  const place = Math.floor((at / 100) * lines.length);
  if (edit === 'line' || lines.length === 0) return lines.toSpliced(place, 0, lineWith(word)).join('');
  const changed = lines[place]?.trimEnd().split(' ').with(-1, word).join(' ');
  return lines.with(place, `${changed}\n`).join('');
}
