/**
 * `npm run bench [-- --quick] [-- --only <word>]`: one table, each row against a floor that was measured in the same
 * run on the same machine. Nothing fails by time. With PROGRAM_UNDER_TEST=executable the rows about `up` are about the
 * single executable.
 */
import { spawnSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { commands } from './commands.ts';
import { printTable, type Row } from './measure.ts';
import { memory } from './memory.ts';
import { merges } from './merge.ts';
import { platform } from './platform.ts';
import { resume, wake } from './resume.ts';
import { sessions } from './sessions.ts';
import { sync } from './sync.ts';
import { boots, idle, turns } from './up.ts';

const { values } = parseArgs({ options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } } });
const { quick, only } = values;
const rounds = quick ? 5 : 15;

const groups: Readonly<Record<string, () => Promise<readonly Row[]>>> = {
  commands: () => commands(rounds),
  boots: () => boots(quick ? 2 : 5, quick),
  resume: () => resume(quick ? 2 : 7),
  wake: () => wake(quick ? 2 : 7),
  turns: () => turns(rounds),
  idle,
  merge: () => merges(rounds),
  sync: () => sync(quick),
  sessions: () => sessions(rounds, quick),
  platform: () => platform(rounds, quick),
  memory: () => memory(quick),
};

const rows: Row[] = [];
for (const [name, group] of Object.entries(groups)) {
  // What documents in step cost has their merge in it.
  if (only !== undefined && only !== name && !(only === 'sync' && name === 'merge')) continue;
  process.stderr.write(`${name} …\n`);
  rows.push(...(await group()));
}
if (rows.length > 0) printTable(rows);
if (only === undefined || only === 'server') {
  spawnSync(process.execPath, [join(import.meta.dirname, 'server.bench.mjs')], { stdio: 'inherit' });
}
console.log(`\n${cpus().length} cores, load ${loadavg()[0]?.toFixed(1)}, Node ${process.versions.node}`);
