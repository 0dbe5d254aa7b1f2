#!/usr/bin/env node
// Finds a Node that can run the program, then hands over to the bundle. Uses nothing but Node, in a form that a Node 12 can read.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import module from 'node:module';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { isatty } from 'node:tty';
import { fileURLToPath } from 'node:url';

const FLOOR = [22, 22, 2];
const own = process.versions.node.split('.').map(Number);
const older = FLOOR.map((part, index) => own[index] - part).find((difference) => difference !== 0) < 0;

if (older) {
  // `npm ci` puts a newer one beside the program.
  const newer = fileURLToPath(new URL('../node_modules/node/bin/node', import.meta.url));
  if (existsSync(newer) && realpathSync(newer) !== realpathSync(process.execPath)) runWith(newer);
  else refuse();
} else if (process.argv.length === 3 && /^(--version|-V)$/.test(process.argv[2])) {
  console.log(JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version);
} else {
  // Node 22 warns about its SQLite, Node 26 about the way to one call of the system: both are good enough for us.
  const warn = process.emitWarning;
  process.emitWarning = (warning, ...rest) => {
    if (!/SQLite|FFI/.test(String(warning))) warn.call(process, warning, ...rest);
  };
  const run = join(process.env.AACHAT_HOME ? resolve(process.env.AACHAT_HOME) : join(homedir(), 'aachat'), '.run');
  if (existsSync(run)) module.enableCompileCache(join(run, 'code'));
  const verb = process.argv[2];
  const entry = verb === 'scripted-agent' ? verb : verb === 'reap' ? 'reaper' : 'main';
  import(`../dist/${entry}.js`).catch((error) => {
    console.error(
      `aachat cannot be loaded: ${error.message}\nInstall it again; in its own repo run \`npm run build\`.`,
    );
    process.exitCode = 70;
  });
}

function runWith(node) {
  const child = spawn(node, process.argv.slice(1), { stdio: 'inherit' });
  // A terminal sends Ctrl+C and its end to both; a second one would mean "at once".
  const atTerminal = [0, 1, 2].some(isatty);
  for (const signal of ['SIGINT', 'SIGHUP', 'SIGTERM']) {
    process.on(signal, () => {
      if (signal === 'SIGTERM' || !atTerminal) child.kill(signal);
    });
  }
  child.on('error', refuse);
  child.on('exit', (status, signal) => {
    if (signal === null) process.exit(status);
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  });
}

function refuse() {
  console.error(
    `aachat needs Node ${FLOOR.join('.')} or newer; this is ${process.versions.node}. Install one from https://nodejs.org and try again.`,
  );
  process.exit(1);
}
