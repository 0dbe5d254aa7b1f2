/**
 * Looks at everything that a session needs and at everything that one may have left behind. Reads only; `mend` undoes
 * what a crash left. Nothing here starts a server.
 */
import { constants } from 'node:fs';
import { access, link, rm, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { isSystemError, toAachatError } from '#base/errors.ts';
import { ensureDir, exists } from '#base/fs.ts';
import { newId } from '#base/id.ts';
import { readPidFile } from '#base/pid-file.ts';
import { serverAddress } from '#client/address.ts';
import { createHttpClient } from '#client/http.ts';
import { ROUTES } from '#contract/routes.ts';
import { ServerFile } from '#contract/server-file.ts';
import { PROTOCOL_VERSION } from '#contract/version.ts';
import { findAgentProgram, installedPresets } from './agent-program.ts';
import type { Engine } from './engine.ts';
import { git } from './git.ts';
import type { Home } from './home.ts';
import { endMarked, LEASE_MARKER, listLeases, reapLeases, strayLeases } from './lease.ts';
import { thisMachine } from './machine.ts';
import { findRemains } from './remains.ts';
import { UpFile } from './up-file.ts';

export interface Finding {
  readonly name: string;
  readonly state: 'ok' | 'note' | 'wrong';
  readonly message: string;
  /** The command or step that mends it. */
  readonly hint?: string;
}

/** The command that mends what a program can mend. */
export const FIX = 'aachat doctor --fix';

export interface DoctorOptions {
  readonly home: Home;
  /** Configured address of a server elsewhere; undefined: the embedded one. */
  readonly server: string | undefined;
  readonly path: string;
  readonly programSetting: string | undefined;
  readonly engine: Engine;
}

export async function examine(options: DoctorOptions): Promise<readonly Finding[]> {
  const checks: readonly (readonly [name: string, check: () => Promise<Omit<Finding, 'name'>>])[] = [
    ['engine', async () => ok(engineText(options.engine))],
    ['git', async () => ok(await git(['--version'], {}))],
    ['home', () => checkHome(options.home)],
    ['hard links', () => checkLinks(options.home)],
    ['machine', () => checkMachine(options.home)],
    ['server', () => checkServer(options)],
    ['agent program', () => checkProgram(options)],
    ['other programs', () => checkPresets(options)],
    ['up', () => checkUp(options.home)],
    ['leases', () => checkLeases(options.home)],
    ['remains', () => checkRemains(options.home)],
  ];
  return await Promise.all(
    checks.map(async ([name, check]): Promise<Finding> => {
      try {
        return { name, ...(await check()) };
      } catch (thrown) {
        const { message, hint } = toAachatError(thrown);
        return { name, state: 'wrong', message, ...(hint === undefined ? {} : { hint }) };
      }
    }),
  );
}

/** Ends processes whose launcher is gone and removes files of dead ones. @returns one line for each thing mended */
export async function mend({ home }: Pick<DoctorOptions, 'home'>): Promise<readonly string[]> {
  const reaped = await reapLeases(home.leases);
  const mended = reaped.map(({ leaseId, killed }) => `Lease ${leaseId}: ended ${killed.length} processes.`);
  for (const leaseId of await strayLeases(home.leases, home.root)) {
    const isClean = await endMarked(LEASE_MARKER, leaseId);
    mended.push(`Lease ${leaseId} had no file: ${isClean ? 'ended' : 'could not end'} its processes.`);
  }
  for (const { what, paths, clear } of await findRemains(home)) {
    await clear();
    mended.push(...paths.map((path) => `Removed ${path}: it ${what}.`));
  }
  return mended;
}

const ok = (message: string) => ({ state: 'ok', message }) as const;

/** The innermost folder on the way there that exists. */
const firstFolder = async (path: string): Promise<string> =>
  (await exists(path)) ? path : await firstFolder(dirname(path));

async function checkHome(home: Home) {
  if (!(await exists(home.root))) {
    await access(await firstFolder(home.root), constants.W_OK);
    return ok(`${home.root} (not made yet)`);
  }
  await access(home.root, constants.W_OK);
  const { uid, mode } = await stat(home.root);
  const own = process.getuid?.() ?? uid;
  if (uid !== own) {
    return {
      state: 'wrong',
      message: `${home.root} belongs to another user.`,
      hint: 'Set AACHAT_HOME to a folder of yours.',
    } as const;
  }
  if ((mode & 0o022) !== 0) {
    return { state: 'wrong', message: `Others may write into ${home.root}.`, hint: `chmod go-w ${home.root}` } as const;
  }
  return ok(home.root);
}

async function checkLinks(home: Home) {
  if (!(await exists(home.root))) return ok('(no home yet)');
  await ensureDir(home.state);
  const file = join(home.state, `link-${newId()}`);
  try {
    await writeFile(file, '');
    await link(file, `${file}.2`);
    return ok('supported');
  } catch (thrown) {
    if (!isSystemError(thrown, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'EXDEV')) throw thrown;
    return {
      state: 'note',
      message: 'The file system has no hard links: shared documents will be copied instead.',
    } as const;
  } finally {
    await Promise.all([rm(file, { force: true }), rm(`${file}.2`, { force: true })]);
  }
}

async function checkMachine({ machine }: Home) {
  if (!(await exists(machine))) return ok('(no id yet)');
  const { id, name } = await thisMachine(machine);
  return ok(`${name} (${id})`);
}

async function checkServer({ home, server }: DoctorOptions) {
  const url = server ?? (await readPidFile(home.serverFile, ServerFile))?.url;
  if (url === undefined)
    return { state: 'note', message: 'The embedded server does not run; it starts when needed.' } as const;
  const http = createHttpClient({ baseUrl: serverAddress(url), token: async () => undefined, timeoutMs: 5_000 });
  const { version, protocol } = await http.call(ROUTES.getInfo, {});
  if (protocol !== PROTOCOL_VERSION) {
    return {
      state: 'wrong',
      message: `${url} speaks protocol ${protocol} (version ${version}); this program speaks ${PROTOCOL_VERSION}.`,
      hint: protocol > PROTOCOL_VERSION ? 'Install a newer aachat here.' : 'Ask for a newer aachat there.',
    } as const;
  }
  return ok(`${url} (version ${version}, protocol ${protocol})`);
}

const engineText = ({ root }: Engine): string =>
  root === undefined
    ? `its own, as new as Node ${process.versions.node}; the adapter of Claude Code runs on it too`
    : `Node ${process.versions.node}`;

async function checkProgram({ programSetting, path, home, engine }: DoctorOptions) {
  const setting = programSetting === undefined ? {} : { setting: programSetting };
  const { origin } = await findAgentProgram({ ...setting, path, managedDir: home.run, engine });
  return ok(origin);
}

async function checkPresets({ path }: DoctorOptions) {
  const places = [...(await installedPresets(path))];
  const there = places.flatMap(([name, place]) => (place === undefined ? [] : [`${name} (${place})`]));
  const absent = places.flatMap(([name, place]) => (place === undefined ? [name] : []));
  return ok([...there, ...(absent.length === 0 ? [] : [`not installed: ${absent.join(', ')}`])].join('; '));
}

async function checkUp(home: Home) {
  const up = await readPidFile(home.upFile, UpFile);
  if (up !== undefined) return ok(`running: pid ${up.pid}, since ${up.since}`);
  return ok('not running');
}

async function checkLeases(home: Home) {
  const leases = await listLeases(home.leases);
  const orphans = leases.filter(({ ownerRuns }) => !ownerRuns);
  const strays = await strayLeases(home.leases, home.root);
  if (orphans.length + strays.length === 0) return ok(`${leases.length} leases, each with a living owner`);
  const message = [
    ...(orphans.length === 0 ? [] : [`${orphans.length} leases, or what runs under them, outlived their launcher.`]),
    ...(strays.length === 0 ? [] : [`Processes run under ${strays.length} leases that have no file any more.`]),
  ].join(' ');
  return { state: 'wrong', message, hint: FIX } as const;
}

async function checkRemains(home: Home) {
  const found = (await findRemains(home)).map(({ what, paths: [first, ...others] }) => {
    const more = others.length === 0 ? '' : `, and so it is with ${others.length} more`;
    return `${first} ${what}${more}.`;
  });
  return found.length === 0
    ? ok('nothing is left of killed processes')
    : ({ state: 'wrong', message: found.join(' '), hint: FIX } as const);
}
