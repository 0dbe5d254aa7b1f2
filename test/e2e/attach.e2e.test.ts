/** A person attaches to a session that runs here: sees it, and steers it. */
import { expect, test } from 'vitest';
import { shortId } from '#contract/ids.ts';
import { eventually } from '../support/eventually.ts';
import { isStopped, sessionOf, steps, team } from '../support/team.ts';

test('attach shows a turn as it goes, and takes prompts, answers and a cancel', async () => {
  await using t = await team(['ada']);
  const up = await t.up();
  const id = shortId((await sessionOf(t)).id);
  const attached = t.home.start('session', 'attach', id, '--text');
  const shows = (what: RegExp) => eventually(String(what), () => what.test(attached.output()));
  const type = (line: string) => attached.child.stdin?.write(`${line}\n`);
  await shows(/— ada\.mia input ready —/);

  type(steps({ ask: 'rm -rf build' }, { text: 'first part' }));
  await shows(/ada\.mia asks: rm -rf build\n {2}y allow once {3}n deny/);
  type('y');
  await shows(/allowed by aachat session attach on .*: rm -rf build/);
  await shows(/first part\nturn [0-9a-f]{8} ended \(end_turn\)/);
  type('y');
  await shows(/Nothing waits for a y/);

  expect(await t.home.run('session', 'attach', id)).toMatchObject({
    status: 5,
    stderr: expect.stringMatching(new RegExp(`attached to session ${id} already: pid ${attached.child.pid}, since`)),
  });
  const watching = t.home.start('session', 'attach', id, '--watch', '--json');
  await eventually('it looks on', () => watching.output().includes('"type":"attached"'));
  const { counts } = await t.home.json<{ counts: unknown }>('status');
  expect(counts).toEqual({ sessions: 1, attachments: 2 });
  expect((await t.home.run('status', '--text')).stdout).toContain('; 1 session, 2 attached to 1 of them');

  type(steps({ text: 'begun' }, { hang: true }));
  await shows(/begun/);
  attached.child.kill('SIGINT');
  await shows(/turn [0-9a-f]{8} cancelled/);
  expect(attached.child.exitCode).toBe(null);
  // A second one counts as such for a moment only. None comes before the last one was heard: it might meet the very end.
  let heard = 0;
  await eventually('it detaches', () => {
    const said = attached.output().split('Ctrl+C again detaches').length - 1;
    if (said > heard) attached.child.kill('SIGINT');
    heard = said;
    return attached.child.exitCode !== null;
  });
  await watching.until(/"type":"turn".*"state":"cancelled"/);

  up.child.kill('SIGINT');
  await up.ended;
  expect(await watching.ended).toBe(0);
});

test('what does not run here cannot be attached to, and the next step is said', async () => {
  await using t = await team(['ada']);
  const up = await t.up();
  const ran = await t.home.run('session', 'run', 'ada', steps({ text: 'ran' }), '--json');
  const id = shortId((JSON.parse(ran.stdout) as { data: { session: { id: string } } }).data.session.id);
  await t.heard('ada.mia', /^ran$/, 'dm:ada.mia');
  await t.home.run('session', 'stop', id);
  await isStopped(t, id);
  expect(await t.home.run('session', 'attach', id)).toMatchObject({
    status: 5,
    stderr: expect.stringContaining(`aachat session resume ${id}`),
  });
  up.child.kill('SIGINT');
  await up.ended;
  expect(await t.home.run('session', 'attach', id)).toMatchObject({
    status: 5,
    stderr: expect.stringMatching(/because aachat up does not run here.*\n.*`aachat up`/),
  });
  expect((await t.home.run('session', 'attach', 'ffffffff')).status).toBe(4);
});
