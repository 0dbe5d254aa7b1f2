/** Somebody at the command line, with a home of their own, against a real server. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Message } from '#contract/entities.ts';
import { ROUTES } from '#contract/routes.ts';
import { type Outcome, run, type World } from './command.ts';
import type { TestServer } from './server.ts';
import { tempDir } from './temp.ts';

/** What these commands may answer, as far as the tests look into it. */
interface Data {
  readonly messages: readonly Message[];
}

/** A person with a home of their own, who works at `server` by commands. */
export async function person(server: TestServer, login: string) {
  const dir = await tempDir();
  const env = { AACHAT_HOME: join(dir.path, 'home'), NO_COLOR: '1' };
  const command = (argv: readonly string[], world: World = {}): Promise<Outcome> => run(argv, { env, ...world });
  const code = await invite(server, login);
  const loggedIn = await command(['auth', 'login', '--server', server.url, '--code', code, '--login', login]);
  if (loggedIn.status !== 0) throw new Error(loggedIn.stderr);
  return {
    env,
    home: env.AACHAT_HOME,
    /** Gone when the person is. */
    dir: dir.path,
    command,
    async data(...argv: string[]) {
      const { status, stdout, stderr } = await command([...argv, '--json']);
      if (status !== 0) throw new Error(`${argv.join(' ')}: ${status} ${stdout}${stderr}`);
      return (JSON.parse(stdout) as { data: Data }).data;
    },
    [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose](),
  };
}

async function invite(server: TestServer, login: string): Promise<string> {
  const { fresh } = await server.anonymous.call(ROUTES.getInfo, {});
  if (fresh) return (await readFile(join(server.dataDir, 'bootstrap'), 'utf8')).trim();
  return (await server.operator.call(ROUTES.createInvite, { body: { login } })).code;
}
