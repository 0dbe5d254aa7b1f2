#!/usr/bin/env node
// Checks that this Node can run the program, then hands over to the bundle. Uses nothing but Node, in the oldest form.
import { readFileSync } from 'node:fs';
import module from 'node:module';

const FLOOR = [22, 22, 2];
const own = process.versions.node.split('.').map(Number);
const older = FLOOR.map((part, index) => own[index] - part).find((difference) => difference !== 0) < 0;

if (older) {
  console.error(
    `aachat needs Node ${FLOOR.join('.')} or newer; this is ${process.versions.node}. Install one from https://nodejs.org and try again.`,
  );
  process.exit(1);
} else if (process.argv.length === 3 && /^(--version|-V)$/.test(process.argv[2])) {
  console.log(JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')).version);
} else {
  // Node 22 warns about its SQLite, which is good enough for us.
  const warn = process.emitWarning;
  process.emitWarning = (warning, ...rest) => {
    if (!String(warning).includes('SQLite')) warn.call(process, warning, ...rest);
  };
  module.enableCompileCache?.();
  await import('../dist/main.js');
}
