/** A conversation that was held with the real Claude Code outside of aachat goes on as a session. */
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import type { ProjectId, SessionId } from '#contract/ids.ts';
import { foldLog } from '#runtime/event-log.ts';
import { openHome } from '#runtime/home.ts';
import { RECOVERY } from '#runtime/recovery.ts';
import { HISTORY } from '#runtime/session-history.ts';
import { finishImport, importTranscript, readTranscript } from '#runtime/transcript-import.ts';
import { claudeScene } from '../support/claude.ts';
import { script } from '../support/fake-anthropic.ts';

test('an imported conversation is resumed with all that was said, and the one that was imported stays as it was', async () => {
  await using scene = await claudeScene();
  {
    await using claude = await scene.open();
    await claude.agent.prompt(`The word is HORIZON. ${script({ text: 'Noted.' })}`);
    await claude.agent.prompt(
      script({ say: 'Let me look.', tool: 'Bash', input: { command: 'pwd' } }, { text: 'There.' }),
    );
  }
  const projects = join(scene.userConfig, 'projects');
  const names = readdirSync(projects, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.jsonl'));
  expect(names).toHaveLength(1);
  const file = join(projects, names[0] ?? '');
  const before = await readFile(file, 'utf8');

  const home = openHome(join(scene.root, 'home'));
  const signal = new AbortController().signal;
  const transcript = await readTranscript(file, signal);
  expect(transcript).toMatchObject({ turns: 2, bad: 0, source: names[0]?.slice(-42, -6) });
  const about = { agent: 'ada.mia', team: '~mia', name: null, parentId: null, forkedFromId: null };
  const id = newId<SessionId>();
  await importTranscript({ home, id, transcript, about, projectId: newId<ProjectId>(), signal });
  await finishImport(home, id, scene.userConfig, async () => {});
  const { log } = home.session(id);
  const history = await foldLog(log, HISTORY);
  expect(history.turns.map(({ state, tools }) => [state, tools])).toEqual([
    ['ended', 0],
    ['ended', 1],
  ]);
  expect(history.totals).toMatchObject({ turns: 2, inputTokens: 300, outputTokens: 30 });
  const { conversation, owed } = await foldLog(log, RECOVERY);
  expect(owed).toBeNull();

  await using claude = await scene.open({ conversation: conversation ?? '' });
  expect(claude.agent).toMatchObject({ opened: 'resumed', conversation });
  expect(await claude.agent.prompt(script({ text: 'I know it.' }))).toMatchObject({ text: 'I know it.' });
  for (const words of ['HORIZON', 'Noted.', 'Let me look.', 'There.']) {
    expect(scene.api.turns().at(-1)?.raw).toContain(words);
  }
  expect(await readFile(file, 'utf8')).toBe(before);
});
