import { expect, test } from 'vitest';
import { refuseForeignSettings } from '#runtime/foreign-settings.ts';
import { tempDir, writeFiles } from '../support/temp.ts';

test('a repo without settings of its own is fine', async () => {
  await using dir = await tempDir();
  await writeFiles(dir.path, { 'README.md': 'x', '.claude/CLAUDE.md': 'x' });
  await refuseForeignSettings(dir.path, 'ada.mia', 'acp');
});

test('OpenCode is refused its own settings only, Claude Code none', async () => {
  await using dir = await tempDir();
  await writeFiles(dir.path, { '.mcp.json': '{}', '.vscode/mcp.json': '{}' });
  await refuseForeignSettings(dir.path, 'ada.mia', 'opencode');
  await writeFiles(dir.path, { '.opencode/plugin/p.ts': '' });
  await expect(refuseForeignSettings(dir.path, 'ada.mia', 'opencode')).rejects.toThrow(/: \.opencode\.$/);
  await refuseForeignSettings(dir.path, 'ada.mia', 'claude');
});

test.for(['.mcp.json', '.gemini/settings.json', '.claude/settings.local.json', 'opencode.json'])(
  'a repo with %s is refused, with the way to go on',
  async (path) => {
    await using dir = await tempDir();
    await writeFiles(dir.path, { [path]: '{}' });
    await expect(refuseForeignSettings(dir.path, 'ada.mia', 'gemini')).rejects.toMatchObject({
      code: 'FORBIDDEN',
      message: expect.stringContaining(path.split('/')[0] ?? ''),
      hint: expect.stringContaining('aachat agent trust ada.mia'),
    });
  },
);
