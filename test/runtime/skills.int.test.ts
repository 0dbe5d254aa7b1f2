import { readdir, readFile, stat, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { listSkills, plainSkill, projectSkills } from '#runtime/skills.ts';
import { tempDir, writeFiles } from '../support/temp.ts';

describe('skills', () => {
  test('the earlier source wins, names of ours are reserved, names that tools do not take are left out', async () => {
    await using dir = await tempDir();
    const skill = '---\nname: x\ndescription: d\n---\nbody';
    await writeFiles(dir.path, {
      'ours/aachat-session/SKILL.md': skill,
      'team/review/SKILL.md': skill,
      'team/aachat-session/SKILL.md': skill,
      'agent/review/SKILL.md': skill,
      'agent/write/SKILL.md': skill,
      'agent/bad name/SKILL.md': skill,
    });
    const at = (name: string) => ({ owner: name === 'ours' ? 'aachat' : name, dir: join(dir.path, name) });
    const { skills, warnings } = await listSkills(['ours', 'team', 'agent', 'nowhere'].map(at));
    expect(skills.map(({ name, owner }) => `${owner}:${name}`)).toEqual([
      'aachat:aachat-session',
      'team:review',
      'agent:write',
    ]);
    expect(warnings).toEqual([
      expect.stringContaining('aachat-session of the team'),
      expect.stringContaining('bad name'),
      expect.stringContaining('review of the agent'),
    ]);
  });

  test.for([
    [
      'hooks and allowed tools',
      '---\nname: a\ndescription: "Does: it"\nallowed-tools: Bash\nhooks: {Stop: []}\n---\n# Body\n',
      'Does: it',
    ],
    ['folded description', '---\nname: a\ndescription: >\n  folded\n  text\n---\n# Body\n', 'folded text'],
    ['a byte order mark', '\ufeff---\r\ndescription: marked\r\n---\r\n# Body\r\n', 'marked'],
    ['no front matter', '# Body\nmore', 'Body'],
    ['broken front matter', '---\n: [\n---\n# Body', 'Body'],
    ['Japanese', '---\ndescription: 会議の要約を作る\n---\n# Body\n', '会議の要約を作る'],
  ] as const)('plain front matter of a skill with %s', ([, markdown, description]) => {
    const plain = plainSkill('a', markdown);
    const [, front = '', body = ''] = plain.split(/^---$/m);
    expect(
      front
        .trim()
        .split('\n')
        .map((line) => line.split(':')[0]),
    ).toEqual(['name', 'description']);
    expect(front).toContain(description);
    expect(body).toContain('# Body');
    expect(plain).not.toMatch(/allowed-tools|hooks/);
  });

  test('copies files with their exec bit, and no link', async () => {
    await using dir = await tempDir();
    await writeFiles(dir.path, {
      's/SKILL.md': '# S',
      's/run.sh': '#!/bin/sh\n',
      's/deep/data.txt': 'x',
      secret: 'CANARY',
    });
    const { chmod } = await import('node:fs/promises');
    await chmod(join(dir.path, 's/run.sh'), 0o755);
    await symlink(join(dir.path, 'secret'), join(dir.path, 's/link'));
    const target = join(dir.path, 'out');
    const skills = [
      { name: 's', owner: 'agent', dir: join(dir.path, 's') },
      { name: 'gone', owner: 'agent', dir: join(dir.path, 'gone') },
    ];
    expect([...(await projectSkills(skills, target))]).toEqual([
      ['gone', expect.stringContaining('gone of the agent was left out: it has no SKILL.md')],
    ]);
    expect((await readdir(join(target, 's'))).sort()).toEqual(['SKILL.md', 'deep', 'run.sh']);
    expect((await stat(join(target, 's/run.sh'))).mode & 0o111).not.toBe(0);
    expect(await readFile(join(target, 's/deep/data.txt'), 'utf8')).toBe('x');
    expect(await readdir(target)).toEqual(['s']);
  });
});
