import { symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readAgentRepo } from '#runtime/agent-repo.ts';
import { tempDir, writeFiles } from '../support/temp.ts';

async function read(files: Readonly<Record<string, string>>) {
  await using dir = await tempDir();
  await writeFiles(dir.path, files);
  return await readAgentRepo(dir.path);
}

describe('agent repo', () => {
  test('gives identity, declared names and runtime', async () => {
    const environment = 'name: default\nconfig:\n  packages: null\n  env:\n    - {name: GH_TOKEN, purpose: "push"}\n';
    expect(
      await read({
        'identity.md': 'I am Ada.\n',
        'environment.yaml': environment,
        'runtime.yaml': 'runtime: claude-acp\n',
      }),
    ).toEqual({
      identity: 'I am Ada.\n',
      environment: ['GH_TOKEN'],
      runtime: 'runtime: claude-acp\n',
      warnings: [],
    });
  });

  test.for([
    ['no environment', { 'identity.md': 'x' }, []],
    ['empty environment', { 'identity.md': 'x', 'environment.yaml': '' }, []],
    ['null parts', { 'identity.md': 'x', 'environment.yaml': 'config:\n  env: null\n' }, []],
    ['missing identity', { 'memory/a.md': 'x' }, [/identity.md is missing/]],
    ['empty identity', { 'identity.md': ' \n' }, [/identity.md is empty/]],
    ['placeholders', { 'identity.md': 'I am {{agent_name}}' }, [/placeholders/]],
    [
      'reserved names',
      {
        'identity.md': 'x',
        'environment.yaml': 'config: {env: [{name: AA_TOKEN}, {name: lower}, {name: LD_PRELOAD}]}',
      },
      [/3 names/],
    ],
    ['another shape', { 'identity.md': 'x', 'environment.yaml': 'config: {env: {GH: 1}}' }, [/another shape/]],
  ] as const)('%s', async ([, files, warnings]) => {
    const repo = await read(files as Record<string, string>);
    expect(repo.environment).toEqual([]);
    expect(repo.warnings).toEqual(warnings.map((pattern) => expect.stringMatching(pattern)));
  });

  test('broken yaml is reported without a word of it', async () => {
    const { warnings } = await read({ 'identity.md': 'x', 'environment.yaml': 'config: [\n  SECRET-CANARY: {' });
    expect(warnings).toEqual([expect.stringContaining('no valid YAML')]);
    expect(warnings.join()).not.toContain('CANARY');
  });

  test('an alias bomb is broken yaml', async () => {
    const bomb = `a: &a [x,x]\nb: &b [*a,*a]\nconfig: {env: *b}`;
    expect((await read({ 'identity.md': 'x', 'environment.yaml': bomb })).warnings).toHaveLength(1);
  });

  test('a link in place of identity.md is not followed', async () => {
    await using dir = await tempDir();
    await writeFiles(dir.path, { 'secret.txt': 'CANARY', 'memory/a.md': 'x' });
    await symlink(join(dir.path, 'secret.txt'), join(dir.path, 'identity.md'));
    const repo = await readAgentRepo(dir.path);
    expect(repo.identity).toBe('');
    expect(repo.warnings).toContainEqual(expect.stringContaining('no plain file'));
  });

  test('a repo that is no agent is refused with the next step', async () => {
    await expect(read({ 'README.md': 'a library' })).rejects.toMatchObject({
      code: 'VALIDATION_ERROR',
      hint: expect.stringContaining('identity.md'),
    });
  });
});
