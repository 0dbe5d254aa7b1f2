/** Documents and the real Claude Code: its Read, Write and Edit beside edits of others. Only the LLM's API is scripted. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { claudeUser } from '../support/claude.ts';
import { type DocumentScene, documentScene, NOTES, readDocument, writeDocument } from '../support/documents-scene.ts';
import { eventually } from '../support/eventually.ts';
import { fakeAnthropic, script } from '../support/fake-anthropic.ts';

const plan = `${NOTES}/plan.md`;

/** Agents that may do everything without a question. */
async function claudeScene(agents: readonly string[]): Promise<DocumentScene> {
  const api = await fakeAnthropic();
  const s = await documentScene(agents, {
    AACHAT_AGENT: 'claude',
    ...claudeUser(api.url),
  });
  return {
    ...s,
    [Symbol.asyncDispose]: async () => {
      await s[Symbol.asyncDispose]();
      await api[Symbol.asyncDispose]();
    },
  };
}

const bash = (command: string) => ({ tool: 'Bash', input: { command, description: 'wait' } });
const untilThere = (name: string) => bash(`until test -e 'aachat/docs/${NOTES}/${name}.md'; do sleep 0.05; done`);

/** Until it has made `ready` in its workspace. */
async function waits(s: DocumentScene, agent: string): Promise<void> {
  const workspace = join(await s.workspaceOf(agent), '..', '..');
  await eventually(`${agent} waits`, async () => (await readDocument(workspace, 'ready')) !== undefined);
}

test('what Claude writes is the same everywhere, without a question, before its answer links it', async () => {
  await using s = await claudeScene(['ada']);
  await s.up();
  const file = join(await s.workspaceOf('ada'), plan);
  const text = '# Plan\n\nWe begin on Friday.\n';
  await s.send(
    `@ada ${script({ tool: 'Write', input: { file_path: file, content: text } }, { text: 'It is in [[plan]].' })}`,
  );
  await s.heard('ada.mia', /^It is in \[\[plan\]\]\.$/);
  await s.everywhere(plan, text);
  expect((await s.home.json<{ text: string }>('doc', 'show', plan)).text).toBe(text);
  expect(await s.history(plan)).toMatchObject([{ number: 1, author: { name: 'ada.mia' } }]);
});

test('an edit of somebody else between its Read and its Edit is not lost, nor is its own', async () => {
  await using s = await claudeScene(['ada']);
  await s.home.json('agent', 'policy', 'ada', 'full');
  await s.up();
  await writeDocument(s.mine, plan, 'one\ntwo\nthree\nfour\nfive\n');
  await s.everywhere(plan, 'one\ntwo\nthree\nfour\nfive\n');
  const file = join(await s.workspaceOf('ada'), plan);
  const read = { tool: 'Read', input: { file_path: file } };
  const edit = { tool: 'Edit', input: { file_path: file, old_string: 'five', new_string: 'FIVE of ada' } };
  // The first Edit may be refused, because the file is not what Claude read: then it reads again.
  await s.send(`@ada ${script(read, bash('touch ready'), untilThere('go'), edit, read, edit, { text: 'Edited.' })}`);
  await waits(s, 'ada');
  await writeDocument(s.mine, plan, 'ONE of mia\ntwo\nthree\nfour\nfive\n');
  await s.everywhere(plan, 'ONE of mia\ntwo\nthree\nfour\nfive\n');
  await writeDocument(s.inRepo, `${NOTES}/go.md`, 'go\n');
  await s.heard('ada.mia', /^Edited\.$/);
  await s.everywhere(plan, 'ONE of mia\ntwo\nthree\nfour\nFIVE of ada\n');
});

test('two agents edit different parts of one document in the same second, and both parts are in it', async () => {
  await using s = await claudeScene(['ada', 'bob']);
  for (const agent of ['ada', 'bob']) await s.home.json('agent', 'policy', agent, 'full');
  await s.up();
  await writeDocument(s.mine, plan, 'one\ntwo\nthree\nfour\nfive\n');
  await s.everywhere(plan, 'one\ntwo\nthree\nfour\nfive\n');
  for (const [agent, line] of [
    ['ada', 'one'],
    ['bob', 'five'],
  ] as const) {
    const file = join(await s.workspaceOf(agent), plan);
    const read = { tool: 'Read', input: { file_path: file } };
    const said = `${line.toUpperCase()} of ${agent}`;
    const edit = { tool: 'Edit', input: { file_path: file, old_string: line, new_string: said } };
    // Refused, if what the other one did came first: then it reads again.
    await s.send(
      `@${agent} ${script(read, bash('touch ready'), untilThere('go'), edit, read, edit, { text: 'Edited.' })}`,
    );
  }
  for (const agent of ['ada', 'bob']) await waits(s, agent);
  await writeDocument(s.inRepo, `${NOTES}/go.md`, 'go\n');
  await s.heard('ada.mia', /^Edited\.$/);
  await s.heard('bob.mia', /^Edited\.$/);
  await s.everywhere(plan, 'ONE of ada\ntwo\nthree\nfour\nFIVE of bob\n');
  expect((await s.mirrors()).flatMap(({ conflicts }) => conflicts)).toEqual([]);
});
