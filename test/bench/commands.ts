/** Start times, memory and sizes of the built program: as a bundle under Node, and as the single executable. */
import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { scratchHome } from '../support/aachat.ts';
import { interleave, ms, type Row, times } from './measure.ts';

const root = join(import.meta.dirname, '..', '..');
const EXECUTABLE = join(root, 'dist', 'aachat');
const BUNDLE = join(root, 'bin', 'aachat.js');

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
    git: run('git', '--version'),
    curl: run('curl', '--silent', '--fail', '--output', '/dev/null', `${url}/v1/info`),
    version: node(BUNDLE, '--version'),
    versionOne: run(EXECUTABLE, '--version'),
    help: node(BUNDLE, '--help'),
    helpOne: run(EXECUTABLE, '--help'),
    read: node(BUNDLE, 'project', 'read', 'launch'),
    readOne: run(EXECUTABLE, 'project', 'read', 'launch'),
  });
  const against = (what: string, value: number, floor: number, name: string, aim = '–'): Row => ({
    what,
    measured: ms(value),
    floor: `${ms(floor)} ${name}`,
    ratio: times(value / floor),
    aim,
  });
  return [
    against('bundle `--version`', t.version, t.empty, 'empty Node', '1.3×'),
    against('executable `--version`', t.versionOne, t.empty, 'empty Node', 'below 1×'),
    against('executable `--version`', t.versionOne, t.git, 'git --version'),
    against('bundle `--help`', t.help, t.empty, 'empty Node'),
    against('executable `--help`', t.helpOne, t.empty, 'empty Node', 'below 1×'),
    against('bundle `project read`', t.read, t.empty + t.curl, 'empty Node + curl'),
    against('executable `project read`', t.readOne, t.curl, 'curl'),
    against('executable `project read`', t.readOne, t.empty, 'empty Node', 'below 1×'),
    ...memory(home.env),
    ...sizes(),
  ];
}

/** Most memory that a short command had. */
function memory(env: NodeJS.ProcessEnv): readonly Row[] {
  const peak = (...command: string[]): number => {
    const { stderr } = spawnSync('/usr/bin/time', ['-f', '%M', ...command], { env, encoding: 'utf8' });
    return Number(stderr.trim().split('\n').at(-1)) / 1024;
  };
  const floor = peak(process.execPath, '-e', '');
  const row = (what: string, value: number): Row => ({
    what: `memory of ${what}`,
    measured: `${Math.round(value)} MB`,
    floor: `${Math.round(floor)} MB empty Node`,
    ratio: times(value / floor),
    aim: '–',
  });
  return [
    row('bundle `project read`', peak(process.execPath, BUNDLE, 'project', 'read', 'launch')),
    row('executable `project read`', peak(EXECUTABLE, 'project', 'read', 'launch')),
  ];
}

function sizes(): readonly Row[] {
  const floor = statSync(process.execPath).size;
  const pack = spawnSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], { cwd: root, encoding: 'utf8' });
  const [packed] = Object.values(JSON.parse(pack.stdout) as Record<string, { size: number; unpackedSize: number }>);
  const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(1)} MB`;
  const row = (what: string, bytes: number): Row => ({
    what: `size of ${what}`,
    measured: megabytes(bytes),
    floor: `${megabytes(floor)} Node`,
    ratio: times(bytes / floor),
    aim: '–',
  });
  return [
    row('executable', statSync(EXECUTABLE).size),
    row('npm package, packed', packed?.size ?? Number.NaN),
    row('npm package, unpacked', packed?.unpackedSize ?? Number.NaN),
  ];
}
