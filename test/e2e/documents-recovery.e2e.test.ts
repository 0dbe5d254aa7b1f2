/** Documents over crashes of the built program: `up` is killed, and everybody goes on editing. */
import { writeFileSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { readEventLog } from '#runtime/event-log.ts';
import { type RunningCommand, upIdentity } from '../support/aachat.ts';
import {
  atOnce,
  type DocumentScene,
  documentScene,
  NOTES,
  readDocument,
  writeDocument,
} from '../support/documents-scene.ts';
import { eventually } from '../support/eventually.ts';
import { steps } from '../support/team.ts';

const plan = `${NOTES}/plan.md`;

async function kill(s: DocumentScene, up: RunningCommand): Promise<void> {
  process.kill(upIdentity(s.home.path).pid, 'SIGKILL');
  await up.ended;
}

describe('documents over crashes', () => {
  test('nothing that three writers saved just before and after a kill is lost or doubled', async () => {
    await using s = await documentScene(['ada']);
    let up = await s.up();
    const workspace = await s.workspaceOf('ada');
    const writers = [s.mine, s.inRepo, workspace];
    const lines = Array.from({ length: 24 }, (_, index) => `line ${index}`);
    const text = () => `${lines.join('\n')}\n`;
    await writeDocument(s.mine, plan, text());
    await writeDocument(s.mine, `${NOTES}/old.md`, 'old\n');
    await s.everywhere(plan, text());
    await s.everywhere(`${NOTES}/old.md`, 'old\n');

    // The kill comes at once in the first round, in the second while the others are being written.
    for (const round of [0, 1]) {
      const before = [...lines];
      // Each begins from what it had: what the others save does not reach it in between.
      await atOnce(s.home, () => {
        for (const [index, folder] of writers.entries()) {
          const at = round * 12 + index * 4;
          const edited = before.with(at, `writer ${index}, before the kill ${round}`);
          lines[at] = edited[at] ?? '';
          writeFileSync(join(folder, plan), `${edited.join('\n')}\n`);
        }
      });
      if (round === 1) {
        const has = async (folder: string) =>
          (await readDocument(folder, plan))?.includes('writer 1, before the kill 1');
        await eventually('one got it', async () => (await has(s.mine)) || (await has(workspace)));
      }
      await kill(s, up);
      for (const [index, folder] of writers.entries()) {
        const at = round * 12 + index * 4 + 2;
        const found = (await readDocument(folder, plan)) ?? '';
        lines[at] = `writer ${index}, after the kill ${round}`;
        writeFileSync(join(folder, plan), found.replace(`line ${at}\n`, `${lines[at]}\n`));
      }
      await writeDocument(workspace, `${NOTES}/new-${round}.md`, 'new\n');
      if (round === 1) await rm(join(s.inRepo, `${NOTES}/old.md`));
      up = await s.up();
      await s.everywhere(plan, text());
      await s.everywhere(`${NOTES}/new-${round}.md`, 'new\n');
      expect(await s.history(`${NOTES}/new-${round}.md`)).toMatchObject([
        { kind: 'edited', author: { name: 'ada.mia' } },
      ]);
    }
    await s.everywhere(`${NOTES}/old.md`, undefined);
    const digests = (await s.history(plan)).map(({ digest }) => digest);
    expect(new Set(digests).size).toBe(digests.length);
    expect((await s.mirrors()).flatMap(({ conflicts, kept }) => [...conflicts, ...kept])).toEqual([]);
  });

  test('an agent that lost against its person is told in its next turn, once, whatever is killed meanwhile', async () => {
    await using s = await documentScene(['ada']);
    let up = await s.up();
    const workspace = await s.workspaceOf('ada');
    for (const text of ['first\n', 'second\n']) {
      await writeDocument(s.mine, plan, text);
      await s.everywhere(plan, text);
    }
    await kill(s, up);
    await s.home.json('doc', 'restore', plan, '1');
    await writeDocument(workspace, plan, 'of ada\n');
    const aside = `${NOTES}/plan.conflict-1-ada.md`;
    up = await s.up();
    await s.everywhere(plan, 'first\n');
    await s.everywhere(aside, 'of ada\n');
    await kill(s, up);
    up = await s.up();
    for (const text of ['one', 'two']) {
      await s.send(`@ada ${steps({ text })}`);
      await s.heard('ada.mia', new RegExp(`^${text}$`));
    }
    up.child.kill('SIGINT');
    await up.ended;
    await s.up();
    await s.send(`@ada ${steps({ text: 'three' })}`);
    await s.heard('ada.mia', /^three$/);

    const sessions = join(s.home.path, '.run', 'sessions');
    const [session = ''] = await readdir(sessions);
    const log = await readEventLog(join(sessions, session, 'events.jsonl'));
    const prompts = log.flatMap((line) => (line.type === 'turn.prompted' ? [line.prompt] : []));
    expect(prompts.map((prompt) => prompt.includes(`Your whole text lies in \`aachat/docs/${aside}\``))).toEqual([
      true,
      false,
      false,
    ]);

    await writeDocument(s.inRepo, aside, 'first\nof ada\n');
    await s.everywhere(plan, 'first\nof ada\n');
    await s.everywhere(aside, undefined);
    expect((await s.history(plan)).map(({ kind }) => kind)).toEqual([
      'settled',
      'overlap',
      'restored',
      'edited',
      'edited',
    ]);
  });

  test('who deletes what somebody else edits is told that it is back: a person by up, an agent in its next turn', async () => {
    await using s = await documentScene(['ada']);
    let up = await s.up();
    const [old, older] = [`${NOTES}/old.md`, `${NOTES}/older.md`];
    for (const path of [old, older]) {
      await writeDocument(s.mine, path, 'start\n');
      await s.everywhere(path, 'start\n');
    }
    const workspace = await s.workspaceOf('ada');
    await kill(s, up);
    await rm(join(s.inRepo, old));
    await rm(join(workspace, older));
    for (const path of [old, older]) await writeDocument(s.mine, path, 'edited\n');
    up = await s.up();
    await up.until(/old\.md is back: somebody edited it while you deleted it\./);
    for (const path of [old, older]) await s.everywhere(path, 'edited\n');
    await s.send(`@ada ${steps({ text: 'heard' })}`);
    await s.heard('ada.mia', /^heard$/);
    const sessions = join(s.home.path, '.run', 'sessions');
    const [session = ''] = await readdir(sessions);
    const log = await readEventLog(join(sessions, session, 'events.jsonl'));
    const prompts = log.flatMap((line) => (line.type === 'turn.prompted' ? [line.prompt] : []));
    expect(prompts.map((prompt) => prompt.includes(`You deleted \`aachat/docs/${older}\``))).toEqual([true]);
  });
});
