/** Entry of the single executable: what `bin/aachat.js` is to the bundle. Loads nothing that the word does not need. */
import { pathToFileURL } from 'node:url';
import manifest from '#manifest' with { type: 'json' };

const [verb = '', ...rest] = process.argv.slice(2);
if (rest.length === 0 && /^(--version|-V)$/.test(verb)) {
  // As `main.ts` does; its engine would print where in itself it failed.
  process.stdout.on('error', ({ code }: NodeJS.ErrnoException) => process.exit(code === 'EPIPE' ? 0 : 1));
  process.stdout.write(`${manifest.version}\n`);
} else if (verb === 'scripted-agent') {
  await import('./scripted-agent.ts');
} else if (verb === 'reap') {
  await import('./reaper.ts');
} else if (verb === 'run-module') {
  const [module = ''] = rest;
  process.argv.splice(1, 2);
  await import(pathToFileURL(module).href);
} else {
  await import('./main.ts');
}
