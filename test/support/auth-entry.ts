/** Entry of a process that asks for an access token and prints it. */
import { createAuth } from '#client/auth.ts';

const [, , url = '', dir = ''] = process.argv;
process.stdout.write(await createAuth({ baseUrl: new URL(url), dir }).accessToken());
