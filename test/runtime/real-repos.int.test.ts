/**
 * Agents' repos as they are found in the world: each trait in a real git repo that a real workspace is opened from.
 * What comes up, what is reported; nothing but a repo that is no agent, or that cannot be read, is refused.
 */
import { chmod, readdir, readFile, rename, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import type { Session } from '#contract/entities.ts';
import { createClonePool } from '#runtime/clone-pool.ts';
import { openHome } from '#runtime/home.ts';
import { EXCLUDED, openWorkspace } from '#runtime/workspace.ts';
import { gitIn, tempDir, tempRepo, writeFiles } from '../support/temp.ts';

const SKILLS = join(import.meta.dirname, '..', '..', 'skills');
const PERSONA = { 'identity.md': '# Ada\n' };
const skill = (front: string) => `---\n${front}\n---\n# Body\n`;
const environment = (config: string) => ({ ...PERSONA, 'environment.yaml': `name: default\nconfig:\n${config}` });

/** A repo of these files, bent by `bend` (which commits by itself), and the workspace of a session of it. */
async function opened(
  files: Readonly<Record<string, string>>,
  bend: (repo: string) => Promise<unknown> = async () => {},
) {
  const stack = new AsyncDisposableStack();
  const dir = stack.use(await tempDir());
  const repo = stack.use(await tempRepo(files));
  await bend(repo.path);
  const home = openHome(join(dir.path, 'home'));
  const { signal } = new AbortController();
  const session = { id: newId(), agent: 'ada.mia', team: '~mia', projects: [] } as unknown as Session;
  const workspace = await openWorkspace({
    home,
    clones: createClonePool(home.cache, { exclude: EXCLUDED, signal }),
    session,
    teamRepo: null,
    agentRepo: repo.path,
    builtinSkills: SKILLS,
    onStep: () => {},
    onLoss: () => {},
    signal,
  }).catch(async (thrown: unknown) => {
    await stack.disposeAsync();
    throw thrown;
  });
  const projected = join(home.session(session.id).claude, '.claude', 'skills');
  return {
    home,
    workspace,
    repo: repo.path,
    /** Names of the agent's own skills. */
    skills: workspace.skills.flatMap(({ name, owner }) => (owner === 'agent' ? [name] : [])),
    skillText: (name: string) => readFile(join(projected, name, 'SKILL.md'), 'utf8'),
    projected,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

const commit = async (repo: string, message = 'more') => {
  await gitIn(repo, 'add', '--all', '--force', '.');
  await gitIn(repo, 'commit', '--quiet', `--message=${message}`);
};

interface Trait {
  readonly files: Readonly<Record<string, string>>;
  readonly bend?: (repo: string) => Promise<unknown>;
  readonly identity?: string;
  readonly declares?: readonly string[];
  readonly skills?: readonly string[];
  /** One for each line of the Launch Report. */
  readonly reports?: readonly RegExp[];
}

const TRAITS: Readonly<Record<string, Trait>> = {
  'no environment.yaml': { files: PERSONA },
  'packages null': { files: environment('  packages: null\n') },
  'packages {}': { files: environment('  packages: {}\n') },
  'empty lists of packages': { files: environment('  packages:\n    apt: []\n    pip:\n') },
  'flow lists of packages': {
    files: environment('  packages: {apt: [jq, ripgrep], npm: []}\n  networking: {type: unrestricted}\n'),
  },
  'no config at all': { files: environment('') },
  'env empty': { files: environment('  env: []\n') },
  'env with purposes': {
    files: environment(
      '  env:\n    - {name: GH_TOKEN, purpose: "to push"}\n    - name: MAIL_KEY\n      purpose: |\n        long\n',
    ),
    declares: ['GH_TOKEN', 'MAIL_KEY'],
  },
  'env twice, of ours, and bending programs': {
    files: environment('  env: [{name: GH_TOKEN}, {name: GH_TOKEN}, {name: AA_TOKEN_FILE}, {name: LD_PRELOAD}]\n'),
    declares: ['GH_TOKEN'],
    reports: [/^environment\.yaml declares 2 names that are reserved/],
  },
  'env as bare words': { files: environment('  env: [GH_TOKEN]\n'), reports: [/^environment\.yaml has another shape/] },
  'default branch master': { files: PERSONA, bend: (repo) => gitIn(repo, 'branch', '--quiet', '-M', 'master') },
  'HEAD that leads to no branch': {
    files: PERSONA,
    bend: async (repo) => {
      await gitIn(repo, 'branch', '--quiet', '-M', 'master');
      await gitIn(repo, 'symbolic-ref', 'HEAD', 'refs/heads/gone');
    },
  },
  'skills in three places': {
    files: {
      ...PERSONA,
      '.agents/skills/new/SKILL.md': skill('description: new'),
      '.claude/skills/middle/SKILL.md': skill('description: middle'),
      'skills/old/SKILL.md': skill('description: old'),
      'skills/new/SKILL.md': skill('description: an older copy'),
    },
    skills: ['new', 'middle', 'old'],
  },
  'files directly under the folder of skills': {
    files: {
      ...PERSONA,
      'skills/README.md': 'about skills\n',
      'skills/review.md': '# Review\n',
      'skills/tool.py': 'x\n',
      'skills/write/SKILL.md': skill('description: d'),
    },
    skills: ['write'],
    reports: [/^Skill review\.md of the agent was left out: a skill is a folder with a SKILL\.md/],
  },
  'a folder of skills that is a file': { files: { ...PERSONA, skills: 'none yet\n' } },
  'a folder that is no skill': {
    files: { ...PERSONA, '.agents/skills/lib/helper.py': 'x\n' },
    reports: [/^Skill lib of the agent was left out: it has no SKILL\.md/],
  },
  'both CLAUDE.md and identity.md': {
    files: { 'identity.md': '# New\n', 'CLAUDE.md': '# Old\n' },
    identity: '# New\n',
  },
  'CLAUDE.md alone': { files: { 'CLAUDE.md': '# Old\n' }, identity: '', reports: [/^identity\.md is missing/] },
  'identity.md empty': { files: { 'identity.md': '' }, identity: '', reports: [/^identity\.md is empty/] },
  'placeholders left': {
    files: { 'identity.md': '# {{agent_name}}\n\n{{description}}\n' },
    identity: '# {{agent_name}}\n\n{{description}}\n',
    reports: [/^identity\.md still has placeholders/],
  },
  'a byte order mark, and lines that end as on Windows': {
    files: {
      'identity.md': '\ufeff# Ada\r\n',
      'environment.yaml': '\ufeffconfig:\r\n  env:\r\n    - {name: GH_TOKEN}\r\n',
      'skills/write/SKILL.md': '\ufeff---\r\nname: write\r\ndescription: Writes\r\n---\r\n# Body\r\n',
    },
    identity: '\ufeff# Ada\r\n',
    declares: ['GH_TOKEN'],
    skills: ['write'],
  },
  'Japanese names and texts': {
    files: {
      'identity.md': '# 受付\n',
      'knowledge/会議.md': '議事録\n',
      'skills/要約/SKILL.md': skill('description: 要約'),
    },
    identity: '# 受付\n',
    reports: [/^Skill "要約" of the agent has a name that tools do not take/],
  },
  'ignored memory': {
    files: { ...PERSONA, '.gitignore': 'memory/\n.env*\n' },
    bend: (repo) => writeFiles(repo, { 'memory/own.md': 'not in git\n' }),
  },
  'a submodule that nobody has': {
    files: { ...PERSONA, '.gitmodules': '[submodule "x"]\n\tpath = x\n\turl = https://git.invalid/x\n' },
    bend: async (repo) => {
      const head = await gitIn(repo, 'rev-parse', 'HEAD');
      await gitIn(repo, 'update-index', '--add', '--cacheinfo', `160000,${head},x`);
      await gitIn(repo, 'commit', '--quiet', '--message=submodule');
    },
  },
  'a link that leads nowhere, by an absolute path': {
    files: { ...PERSONA, 'skills/write/SKILL.md': skill('description: d') },
    bend: async (repo) => {
      await symlink('/Users/somebody/.claude', join(repo, '.claude'));
      await symlink('/Users/somebody/notes.md', join(repo, 'skills', 'write', 'notes.md'));
      await symlink('/Users/somebody/skill', join(repo, 'skills', 'linked'));
      await commit(repo);
    },
    skills: ['write'],
    reports: [/^The agent's repo has a link at \.claude\/skills/],
  },
  'links to what lies on this machine': {
    files: PERSONA,
    bend: async (repo) => {
      // The program's own skills, as any folder of the person's.
      await symlink(SKILLS, join(repo, 'skills'));
      await writeFiles(repo, { '.agents/skills/linked/notes.md': 'x\n' });
      await symlink(join(SKILLS, 'aachat', 'SKILL.md'), join(repo, '.agents', 'skills', 'linked', 'SKILL.md'));
      await commit(repo);
    },
    reports: [/^The agent's repo has a link at skills/, /^Skill linked of the agent.*no plain file/],
  },
  'links in place of what is read': {
    files: { 'memory/a.md': 'x\n' },
    bend: async (repo) => {
      for (const name of ['identity.md', 'environment.yaml']) await symlink('/etc/hostname', join(repo, name));
      await commit(repo);
    },
    identity: '',
    reports: [/^identity\.md is no plain file/, /^identity\.md is missing/, /^environment\.yaml is no plain file/],
  },
};

describe('a repo with', () => {
  test.for(Object.entries(TRAITS))('%s', async ([, trait]) => {
    const { files, bend, identity = '# Ada\n', declares = [], skills = [], reports = [] } = trait;
    await using it = await opened(files, bend);
    expect(it.workspace.repo.identity).toBe(identity);
    expect(it.workspace.repo.environment).toEqual(declares);
    expect(it.skills).toEqual(skills);
    expect(it.workspace.warnings).toEqual(reports.map((report) => expect.stringMatching(report)));
    // The agent can work there, and the person sees it.
    expect(await gitIn(it.workspace.agentDir, 'status', '--porcelain')).toBe('');
    expect(await gitIn(join(it.home.agents, 'ada.mia'), 'status', '--porcelain')).toBe('');
    expect(await it.workspace.close()).toEqual([]);
  });

  test('the texts of skills in every form arrive with a name and a description', async () => {
    const long = 'Reviews. '.repeat(300).trim();
    await using it = await opened({
      ...PERSONA,
      'skills/folded/SKILL.md': skill('name: folded\ndescription: >\n  one\n  two\n\n  three'),
      'skills/block/SKILL.md': skill('name: other\ndescription: |\n  one\n  two'),
      'skills/none/SKILL.md': '# Only a heading\nand text\n',
      'skills/long/SKILL.md': skill(`description: ${long}`),
      'skills/japanese/SKILL.md': skill('description: 会議の要約を作る'),
      'skills/broken/SKILL.md': skill('description: "no end\nname: [x'),
      'skills/meta/SKILL.md': skill('description: d\nmetadata:\n  aachat.headline.ja: 要約\nallowed-tools: Bash'),
    });
    expect(it.workspace.warnings).toEqual([]);
    const front = async (name: string) => (await it.skillText(name)).split('---\n')[1];
    expect(await front('folded')).toBe('name: folded\ndescription: |-\n  one two\n  three\n');
    expect(await front('block')).toBe('name: block\ndescription: |-\n  one\n  two\n');
    expect(await front('none')).toBe('name: none\ndescription: Only a heading\n');
    expect(await front('long')).toBe(`name: long\ndescription: ${long}\n`);
    expect(await front('japanese')).toBe('name: japanese\ndescription: 会議の要約を作る\n');
    expect(await front('broken')).toBe('name: broken\ndescription: Body\n');
    expect(await front('meta')).toBe('name: meta\ndescription: d\n');
  });

  test('programs beside a skill: they can still be run', async () => {
    const files = { ...PERSONA, 'skills/tool/SKILL.md': skill('description: d'), 'skills/tool/run.sh': '#!/bin/sh\n' };
    await using it = await opened(files, async (repo) => {
      await chmod(join(repo, 'skills', 'tool', 'run.sh'), 0o755);
      await commit(repo);
    });
    const isRunnable = async (path: string) => ((await stat(path)).mode & 0o100) !== 0;
    expect(await isRunnable(join(it.projected, 'tool', 'run.sh'))).toBe(true);
    expect(await isRunnable(join(it.projected, 'tool', 'SKILL.md'))).toBe(false);
    expect(await isRunnable(join(it.workspace.agentDir, 'skills', 'tool', 'run.sh'))).toBe(true);
  });

  test('settings with hooks that call a port where nobody is: they stay in its folder', async () => {
    const hook = { type: 'http', url: 'http://127.0.0.1:37203/hooks' };
    const settings = JSON.stringify({ hooks: { SessionStart: [{ hooks: [hook] }], Stop: [{ hooks: [hook] }] } });
    await using it = await opened({
      ...PERSONA,
      '.claude/settings.json': settings,
      '.mcp.json': '{"mcpServers": {"x": {"command": "false"}}}',
      '.claude/skills/write/SKILL.md': skill('description: d'),
    });
    expect(it.skills).toEqual(['write']);
    const { path, agentDir } = it.workspace;
    expect(await readFile(join(agentDir, '.claude', 'settings.json'), 'utf8')).toBe(settings);
    // Where the agent program looks for settings there are skills, and nothing else.
    expect(await readdir(join(it.projected, '..'))).toEqual(['skills']);
    expect(await readdir(join(path, '.claude'))).toEqual(['skills']);
    expect(await readdir(path)).not.toContain('.mcp.json');
  });
});

describe('refused, with the next step', () => {
  test.for([
    ['a repo that is no agent', { 'README.md': 'a library\n' }, undefined, 'VALIDATION_ERROR', 'identity.md'],
    [
      'a repo without a commit',
      PERSONA,
      async (repo: string) => {
        await gitIn(repo, 'checkout', '--quiet', '--orphan', 'none');
        await gitIn(repo, 'branch', '--quiet', '-D', 'main');
      },
      'VALIDATION_ERROR',
      'first commit',
    ],
    [
      'objects that cannot be read',
      PERSONA,
      async (repo: string) => {
        const blob = await gitIn(repo, 'rev-parse', 'HEAD:identity.md');
        const object = join(repo, '.git', 'objects', blob.slice(0, 2), blob.slice(2));
        await chmod(object, 0o600);
        await writeFile(object, 'damaged');
      },
      'GIT_FAILED',
      'aachat doctor',
    ],
    [
      'a repo that is gone',
      PERSONA,
      async (repo: string) => rename(join(repo, '.git'), join(repo, 'elsewhere')),
      'GIT_FAILED',
      'Check the address',
    ],
  ] as const)('%s', async ([, files, bend, code, hint]) => {
    const refused: unknown = await opened(files, bend).catch((thrown: unknown) => thrown);
    expect(refused).toMatchObject({ code, hint: expect.stringContaining(hint) });
  });
});
