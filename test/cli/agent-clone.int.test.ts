/** Somebody's agent repo becomes an agent of one's own: real repos, real server. */
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { exists } from '#base/fs.ts';
import { baseOf, findSource } from '#runtime/agent-source.ts';
import { person } from '../support/person.ts';
import { testServer } from '../support/server.ts';
import { gitIn, tempDir, tempRepo, writeFiles } from '../support/temp.ts';

const AGENT = { 'identity.md': '# Reviewer\n', 'memory/a.md': 'a fact\n' };

/** Mia at the command line, and somebody's repo. */
async function scene(files: Readonly<Record<string, string>> = AGENT) {
  const stack = new AsyncDisposableStack();
  const server = stack.use(await testServer());
  const mia = stack.use(await person(server, 'mia'));
  const source = stack.use(await tempRepo(files));
  const at = (...parts: string[]) => join(mia.home, ...parts);
  const names = async (...parts: string[]) => ((await exists(at(...parts))) ? await readdir(at(...parts)) : []);
  return {
    mia,
    source: source.path,
    at,
    /** What this home and the server know of agents. */
    async traces() {
      const { agents } = (await mia.data('agent', 'list')) as unknown as { agents: unknown[] };
      return [...agents, ...(await names('agents')), ...(await names('repos'))];
    },
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

describe('agent clone', () => {
  test('takes the whole history of the default branch, and nothing else', async () => {
    await using it = await scene();
    await gitIn(it.source, 'branch', '--quiet', '-M', 'trunk');
    await gitIn(it.source, 'commit', '--quiet', '--allow-empty', '--message=second');
    await gitIn(it.source, 'tag', 'v1');
    await gitIn(it.source, 'branch', 'draft');
    const done = await it.mia.command(['agent', 'clone', it.source, '--name', 'ada'], { isTerminal: true });
    expect(done).toMatchObject({ status: 0, stderr: '' });
    expect(done.stdout).toContain('Next: aachat project assign <project> --agent ada');
    const repo = it.at('repos', 'ada.mia.git');
    expect(await gitIn(repo, 'log', '--format=%H', 'HEAD')).toBe(await gitIn(it.source, 'log', '--format=%H', 'trunk'));
    expect(await gitIn(repo, 'for-each-ref', '--format=%(refname)')).toBe('refs/heads/trunk');
    expect(await gitIn(repo, 'symbolic-ref', 'HEAD')).toBe('refs/heads/trunk');
    expect(await readFile(join(repo, 'config'), 'utf8')).not.toContain(it.source);
    expect(await readFile(it.at('agents', 'ada.mia', 'memory', 'a.md'), 'utf8')).toBe('a fact\n');
    expect(await it.traces()).toEqual([expect.objectContaining({ name: 'ada.mia' }), 'ada.mia', 'ada.mia.git']);

    await writeFiles(it.at('agents', 'ada.mia'), { 'memory/b.md': 'own\n' });
    expect(await it.mia.data('agent', 'save', 'ada', '-m', 'Remember')).toMatchObject({ pushed: true });
    expect(await gitIn(repo, 'log', '--format=%s')).toBe('Remember\nsecond\nfirst');
    expect(await gitIn(it.source, 'log', '--format=%s', 'trunk')).toBe('second\nfirst');
  });

  test('takes its name from the address, and a path from where one is', async () => {
    await using it = await scene();
    await gitIn(it.source, 'clone', '--quiet', '--bare', it.source, join(it.mia.dir, 'My_Reviewer.git'));
    const done = await it.mia.command(['agent', 'clone', 'My_Reviewer.git', '--json'], { cwd: it.mia.dir });
    expect(JSON.parse(done.stdout)).toMatchObject({ data: { agent: { name: 'my-reviewer.mia' }, warnings: [] } });
    const again = await it.mia.command(['agent', 'clone', 'My_Reviewer.git'], { cwd: it.mia.dir });
    expect(again).toMatchObject({ status: 5, stderr: expect.stringContaining('already') });
  });

  test.for([
    ['a repo that is no agent', { 'README.md': 'a library\n' }, 'is no agent'],
    ['a repo without a commit', undefined, 'has no commit yet'],
  ] as const)('%s is refused, and nothing is left of it', async ([, files, reason]) => {
    await using it = await scene(files);
    if (files === undefined) {
      await gitIn(it.source, 'checkout', '--quiet', '--orphan', 'none');
      await gitIn(it.source, 'branch', '--quiet', '-D', 'main');
    }
    const refused = await it.mia.command(['agent', 'clone', it.source]);
    expect(refused).toMatchObject({ status: 2, stderr: expect.stringContaining(reason) });
    expect(await it.traces()).toEqual([]);
  });

  test('a repo with objects that cannot be read is refused, and nothing is left of it', async () => {
    await using it = await scene();
    const blob = await gitIn(it.source, 'rev-parse', 'HEAD:identity.md');
    const object = join(it.source, '.git', 'objects', blob.slice(0, 2), blob.slice(2));
    await chmod(object, 0o600);
    await writeFile(object, 'damaged');
    const refused = await it.mia.command(['agent', 'clone', it.source]);
    expect(refused.stderr).toContain('git fetch');
    expect(refused.status).not.toBe(70);
    expect(await it.traces()).toEqual([]);
  });

  test('the repo of an earlier agent is not taken over', async () => {
    await using it = await scene();
    await mkdir(it.at('repos'), { recursive: true });
    await gitIn(it.at('repos'), 'clone', '--quiet', '--bare', it.source, 'ada.mia.git');
    const refused = await it.mia.command(['agent', 'clone', it.source, '--name', 'ada']);
    expect(refused).toMatchObject({ status: 5, stderr: expect.stringContaining('--name') });
    expect(await it.traces()).toEqual(['ada.mia.git']);
  });

  test('nothing that a repo holds runs: hooks, filters, settings, submodules', async () => {
    await using it = await scene({ ...AGENT, '.gitattributes': '* filter=evil\n' });
    await using dir = await tempDir();
    const canary = join(dir.path, 'canary');
    const evil = join(dir.path, 'evil.sh');
    await writeFile(evil, `#!/bin/sh\necho ran >> ${canary}\ncat\n`, { mode: 0o755 });
    await writeFiles(it.source, {
      '.gitmodules': `[submodule "x"]\n\tpath = x\n\turl = ext::${evil}\n\tupdate = !${evil}\n`,
      '.claude/settings.json': `{"hooks": {"SessionStart": [{"hooks": [{"type": "command", "command": "${evil}"}]}]}}`,
    });
    const head = await gitIn(it.source, 'rev-parse', 'HEAD');
    await gitIn(it.source, 'update-index', '--add', '--cacheinfo', `160000,${head},x`);
    await gitIn(it.source, 'add', '--force', '.gitmodules', '.claude');
    await gitIn(it.source, 'commit', '--quiet', '--message=evil');
    for (const hook of ['post-checkout', 'post-update', 'pre-receive', 'reference-transaction', 'fsmonitor']) {
      await writeFile(join(it.source, '.git', 'hooks', hook), `#!/bin/sh\necho ran >> ${canary}\n`, { mode: 0o755 });
    }
    for (const key of ['core.fsmonitor', 'filter.evil.smudge', 'filter.evil.clean', 'uploadpack.packObjectsHook']) {
      await gitIn(it.source, 'config', key, evil);
    }
    const done = await it.mia.command(['agent', 'clone', it.source, '--name', 'ada', '-d', 'Reviews']);
    expect(done).toMatchObject({ status: 0, stderr: expect.stringContaining('stays as it was written') });
    expect(await gitIn(it.at('repos', 'ada.mia.git'), 'log', '-1', '--format=%s')).toBe('evil');
    expect(await exists(canary)).toBe(false);
  });

  test('placeholders are warned about, and filled in only when asked', async () => {
    await using it = await scene({ 'identity.md': '# {{agent_name}}\n\n{{description}}\n' });
    const one = await it.mia.command(['agent', 'clone', it.source, '--name', 'one']);
    expect(one).toMatchObject({ status: 0, stderr: expect.stringContaining('placeholders') });
    expect(await readFile(it.at('agents', 'one.mia', 'identity.md'), 'utf8')).toContain('{{agent_name}}');
    const two = await it.mia.command(['agent', 'clone', it.source, '--name', 'two', '-d', 'Costs $& and $1']);
    expect(two).toMatchObject({ status: 0, stderr: '' });
    const identity = '# two.mia\n\nCosts $& and $1';
    expect(await gitIn(it.at('repos', 'two.mia.git'), 'show', 'HEAD:identity.md')).toBe(identity);
  });
});

describe('what people write for a repo', () => {
  test.for([
    ['mia/reviewer', 'https://github.com/mia/reviewer', 'reviewer'],
    ['https://git.example.org/team/Code%20Review/', 'https://git.example.org/team/Code%20Review/', 'code-20review'],
    ['git@github.com:mia/reviewer.git', 'git@github.com:mia/reviewer.git', 'reviewer'],
    ['ssh://git@git.example.org:22/x/ada.mia.git', 'ssh://git@git.example.org:22/x/ada.mia.git', 'ada-mia'],
  ] as const)('%s', async ([text, address, base]) => {
    await using dir = await tempDir();
    const source = await findSource(text, dir.path);
    expect([source, baseOf(source)]).toEqual([address, base]);
  });

  test('a path that exists wins over owner/repo', async () => {
    await using dir = await tempDir();
    await mkdir(join(dir.path, 'mia', 'reviewer'), { recursive: true });
    await expect(findSource('mia/reviewer', dir.path)).rejects.toMatchObject({ code: 'USAGE' });
    await gitIn(join(dir.path, 'mia', 'reviewer'), 'init', '--quiet');
    expect(await findSource('mia/reviewer', dir.path)).toBe(join(dir.path, 'mia', 'reviewer'));
    expect(baseOf(await findSource('mia/reviewer/.git', dir.path))).toBe('reviewer');
  });

  test('a copy that lacks a part of its history is not taken', async () => {
    await using source = await tempRepo(AGENT);
    await using dir = await tempDir();
    await gitIn(source.path, 'commit', '--quiet', '--allow-empty', '--message=second');
    await gitIn(dir.path, 'clone', '--quiet', '--depth=1', `file://${source.path}`, 'part');
    await expect(findSource('part', dir.path)).rejects.toMatchObject({
      code: 'USAGE',
      hint: expect.stringContaining('--unshallow'),
    });
  });

  test.for([
    ['', 'owner/repo'],
    ['reviewer', 'owner/repo'],
    ['./mia/reviewer', 'owner/repo'],
    ['-u/x', 'owner/repo'],
    ['https://TOKEN@github.com/mia/reviewer', 'leave the login to git'],
    ['https://mia:TOKEN@github.com/mia/reviewer', 'leave the login to git'],
  ] as const)('%j says what to write', async ([text, hint]) => {
    await using dir = await tempDir();
    const refused = await findSource(text, dir.path).catch((thrown: unknown) => thrown);
    expect(refused).toMatchObject({ code: 'USAGE', hint: expect.stringContaining(hint) });
    expect(String(refused)).not.toContain('TOKEN');
  });
});
