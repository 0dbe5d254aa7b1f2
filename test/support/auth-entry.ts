/** Entry of a process that says when it is ready, asks for an access token when it hears a word, and prints it. */
import { once } from 'node:events';
import { createAuth } from '#client/auth.ts';

const [, , url = '', dir = ''] = process.argv;
// What is loaded for the first request is loaded now: behind the lock it would hold everybody up.
await fetch(new URL('/ready', url), { method: 'POST', body: '{}' });
process.stdout.write('ready\n');
await once(process.stdin, 'data');
process.stdin.destroy();
process.stdout.write(await createAuth({ baseUrl: new URL(url), dir }).accessToken());
