/** Start times of short commands of the built program. */
import { spawnSync } from 'node:child_process';
import { PROGRAM, scratchHome } from '../support/aachat.ts';
import { interleave, ms, type Row, times } from './measure.ts';

export async function commands(rounds: number): Promise<readonly Row[]> {
  await using home = await scratchHome();
  await home.json('project', 'create', 'launch');
  const { url } = await home.json<{ url: string }>('server', 'status');
  const run =
    (file: string, ...args: string[]) =>
    () => {
      const { status, stderr } = spawnSync(file, args, { env: home.env, encoding: 'utf8' });
      if (status !== 0) throw new Error(`${file} ${args.join(' ')} ended with ${status}: ${stderr}`);
    };
  const node = (...args: string[]) => run(process.execPath, ...args);
  const t = await interleave(rounds, {
    empty: node('-e', ''),
    version: node(PROGRAM, '--version'),
    help: node(PROGRAM, '--help'),
    curl: run('curl', '--silent', '--fail', '--output', '/dev/null', `${url}/v1/info`),
    send: node(PROGRAM, 'project', 'send', 'launch', 'hello'),
  });
  const against = (what: string, value: number, floor: number, name: string, aim: string): Row => ({
    what,
    measured: ms(value),
    floor: `${ms(floor)} ${name}`,
    ratio: times(value / floor),
    aim,
  });
  return [
    against('`aachat --version`', t.version, t.empty, 'empty Node', '1.5×'),
    against('`aachat --help`', t.help, t.empty, 'empty Node', '–'),
    against('`aachat project send`', t.send, t.empty + t.curl, 'empty Node + curl', '–'),
  ];
}
