/**
 * A program that puts one word after the other in the place of a file, by rename, until it is told to end. It waits until
 * its last word was taken away; that may be given back while it is held up, so it tells which ones it took out itself.
 */
import { readFileSync, unlinkSync, writeFileSync } from 'node:fs';

const [file = ''] = process.argv.slice(2);
const fresh = `${file}.tmp.1.ab`;
const own: string[] = [];
let count = 0;

const isMac = process.platform === 'darwin';
const [EXCHANGE, ONLY_NEW] = [2, isMac ? 4 : 1];
const AT_FDCWD = -100;
const at = isMac ? [] : [AT_FDCWD];
const name = isMac ? 'renamex_np' : 'renameat2';
const folder = at.map(() => 'int32' as const);
const ffi = process.getBuiltinModule('node:ffi');
const rename = ffi.dlopen(null, {
  [name]: { arguments: [...folder, 'string', ...folder, 'string', 'uint32'], return: 'int32' },
}).functions[name];
const moves = (flag: number): boolean => Number(rename?.(...at, fresh, ...at, file, flag)) === 0;

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function place(): void {
  if (read(file) === `word${count - 1}`) return;
  for (let spin = Math.random() * 30_000; spin > 0; spin -= 1);
  writeFileSync(fresh, `word${count}`);
  if (moves(EXCHANGE)) {
    const taken = read(fresh);
    if (taken.startsWith('word')) own.push(taken);
    unlinkSync(fresh);
  } else if (!moves(ONLY_NEW)) return;
  count += 1;
}

process.on('SIGTERM', () => {
  process.stdout.write(JSON.stringify({ count, own }));
  process.exit();
});
place();
process.stdout.write('ready\n');
setInterval(() => {
  for (const end = Date.now() + 20; Date.now() < end; ) place();
});
