/**
 * Where this program lies and how it is started again: as files under a Node, or as one executable that brings its own
 * engine and carries the files inside.
 */
import { basename, join } from 'node:path';
import type { CommandFacts } from '#cli/context.ts';
import manifest from '#manifest' with { type: 'json' };

/** The single executable's own file system; its modules and files are found there, and by nobody else. */
const isExecutable = import.meta.dirname.startsWith('/$bunfs');
const root = isExecutable ? import.meta.dirname : join(import.meta.dirname, '..');
const command = isExecutable
  ? ([process.execPath] as const)
  : ([process.execPath, join(root, 'bin', 'aachat.js')] as const);

export const self: Pick<CommandFacts, 'name' | 'engine' | 'skillsDir' | 'version'> = {
  name: process.env['AACHAT_NAME'] ?? basename((isExecutable ? process.argv0 : process.argv[1]) ?? '', '.js'),
  engine: {
    self: command,
    scripted: [...command, 'scripted-agent'],
    module: isExecutable ? [process.execPath, 'run-module'] : [process.execPath],
    root: isExecutable ? undefined : root,
  },
  skillsDir: join(root, 'skills'),
  version: manifest.version,
};
