/** The command that a newcomer runs first. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { scratchHome } from '../support/aachat.ts';

test('the demo shows a question, an answer and a document in every place, and leaves nothing', async () => {
  await using home = await scratchHome();
  const { status, stdout, stderr } = await home.run('demo', '--json');
  expect([status, stderr]).toEqual([0, expect.stringContaining('6. Ctrl+C')]);
  const { messages } = JSON.parse(stdout).data;
  expect(messages.map(({ body }: { body: string }) => body)).toContainEqual(expect.stringMatching(/^Here is what bob/));
  const files = stderr.match(/^ +\/\S+remembered\.md$/gm) ?? [];
  // The person's folder, the connected repository, and the workspaces of two agents.
  expect(files).toHaveLength(4);
  const root = /^ +(\/\S+aachat-demo-[^/]+)\//m.exec(stderr)?.[1] ?? '/';
  expect(existsSync(root)).toBe(false);
});

test('with --keep it says which home stays', async () => {
  await using home = await scratchHome();
  const { stdout } = await home.run('demo', '--keep', '--text');
  const [, kept = ''] = /AACHAT_HOME=(\S+)/.exec(stdout) ?? [];
  expect(existsSync(join(kept, 'agents', 'ada.mia'))).toBe(true);
});
