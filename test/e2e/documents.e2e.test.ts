/** Documents in step, on the built program: every place where one can be edited, and what goes wrong on the way. */
import { readdir, readFile, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { scratchHome, upIdentity } from '../support/aachat.ts';
import { atOnce, documentScene, NOTES, readDocument, type Status, writeDocument } from '../support/documents-scene.ts';
import { eventually } from '../support/eventually.ts';
import { steps, team } from '../support/team.ts';

const plan = `${NOTES}/plan.md`;

describe('documents', () => {
  test('an edit in any place is in all of them a moment later', async () => {
    await using s = await documentScene(['ada']);
    await s.up();
    await writeDocument(s.mine, plan, 'mine\n');
    await s.everywhere(plan, 'mine\n');
    await writeDocument(s.inRepo, plan, 'mine\nof the repo\n');
    await s.everywhere(plan, 'mine\nof the repo\n');
    const edit = { edit: `aachat/docs/${plan}`, content: 'mine\nof the repo\nof ada\n', ask: true };
    await s.send(`@ada ${steps(edit, { text: 'written' })}`);
    await s.heard('ada.mia', /^written$/);
    await s.everywhere(plan, 'mine\nof the repo\nof ada\n');
    expect((await s.history(plan)).map(({ author }) => author.name)).toEqual(['ada.mia', 'mia', 'mia']);
    await s.home.json('doc', 'restore', plan, '1');
    await s.everywhere(plan, 'mine\n');
    await rm(join(s.inRepo, plan));
    await s.everywhere(plan, undefined);
    // By the engine's own way to the C library.
    expect((await s.mirrors()).map(({ replacesBy }) => replacesBy)).toEqual(['exchange', 'exchange', 'exchange']);
  });

  test('what was edited while up was down, or killed, is merged by the next one, once', async () => {
    await using s = await documentScene(['ada']);
    const first = await s.up();
    await writeDocument(s.mine, plan, 'one\ntwo\nthree\nfour\nfive\n');
    await s.everywhere(plan, 'one\ntwo\nthree\nfour\nfive\n');
    process.kill(upIdentity(s.home.path).pid, 'SIGKILL');
    await first.ended;
    await writeDocument(s.mine, plan, 'ONE\ntwo\nthree\nfour\nfive\n');
    await writeDocument(s.inRepo, plan, 'one\ntwo\nthree\nfour\nFIVE\n');
    await s.up();
    await s.everywhere(plan, 'ONE\ntwo\nthree\nfour\nFIVE\n');
    expect(await s.history(plan)).toHaveLength(3);
    expect((await s.home.run('down', '--yes')).status).toBe(0);
    await writeDocument(s.inRepo, plan, 'ONE\ntwo\nTHREE\nfour\nFIVE\n');
    await s.up();
    await s.everywhere(plan, 'ONE\ntwo\nTHREE\nfour\nFIVE\n');
    expect(await s.history(plan)).toHaveLength(4);
  });

  test('an agent whose lines were kept aside is told once; deleting the file beside settles it everywhere', async () => {
    await using s = await documentScene(['ada']);
    const first = await s.up();
    await writeDocument(s.mine, plan, 'start\n');
    await s.everywhere(plan, 'start\n');
    const sibling = plan.replace('.md', '.conflict-1-ada.md');
    const workspace = await s.workspaceOf('ada');
    // Both begin from the same text, and the person's folder is the first that the next `up` looks at.
    process.kill(upIdentity(s.home.path).pid, 'SIGKILL');
    await first.ended;
    await writeDocument(s.mine, plan, 'of mia\n');
    await writeDocument(workspace, plan, 'of ada\n');
    await s.up();
    const conflicted = async () => (await s.mirrors()).flatMap(({ conflicts }) => conflicts);
    await eventually('it is an overlap', async () => (await conflicted()).length > 0);
    const [file = ''] = await conflicted();
    const isAdas = file === sibling;
    await s.everywhere(plan, isAdas ? 'of mia\n' : 'of ada\n');
    await s.everywhere(file, isAdas ? 'of ada\n' : 'of mia\n');
    for (const text of ['first', 'second']) {
      await s.send(`@ada ${steps({ text })}`);
      await s.heard('ada.mia', new RegExp(`^${text}$`));
    }
    const sessions = join(s.home.path, '.run', 'sessions');
    const [id = ''] = await readdir(sessions);
    const log = await readFile(join(sessions, id, 'events.jsonl'), 'utf8');
    const told = log
      .split('\n')
      .filter((line) => line.includes('turn.prompted') && line.includes('Your whole text lies'));
    expect(told).toHaveLength(isAdas ? 1 : 0);
    await rm(join(s.inRepo, file));
    await s.everywhere(file, undefined);
    expect(await conflicted()).toEqual([]);
  });

  test('a workspace stays while its documents are not at the server, and they arrive later', async () => {
    await using s = await documentScene(['ada']);
    const up = await s.up();
    await writeDocument(s.mine, plan, 'start\n');
    await s.everywhere(plan, 'start\n');
    const workspace = await s.workspaceOf('ada');
    await s.home.run('server', 'stop', '--yes');
    await eventually('the server is missed', async () => (await s.mirrors()).every(({ state }) => state === 'offline'));
    await writeDocument(workspace, plan, 'start\nwhile it was away\n');
    await eventually('it waits', async () => (await s.mirrors()).some(({ pending }) => pending.length > 0));
    up.child.kill('SIGINT');
    await up.ended;
    expect(up.output()).toContain(`stays: ${plan} could not be shared.`);
    expect(await readDocument(workspace, plan)).toBe('start\nwhile it was away\n');
    await s.up();
    await s.everywhere(plan, 'start\nwhile it was away\n');
  });

  test('a folder that lost most of its files stops and asks; they come back, or go everywhere', async () => {
    await using s = await documentScene(['ada']);
    await s.up();
    const paths = Array.from({ length: 30 }, (_, index) => `${NOTES}/n${index}.md`);
    for (const path of paths) await writeDocument(s.mine, path, `${path}\n`);
    const all = await s.mirrors();
    /** Whether every folder has all of them, or none. */
    const areThere = (are: boolean) =>
      eventually(are ? 'all are there' : 'all are gone', async () => {
        const read = all.flatMap(({ root }) => paths.map((path) => readDocument(root, path)));
        return (await Promise.all(read)).every((text) => (text !== undefined) === are);
      });
    await areThere(true);
    const stateOf = async (root: string) => (await s.mirrors()).find((mirror) => mirror.root === root)?.state;
    const empty = async () => {
      await atOnce(s.home, () => rm(join(s.inRepo, '~mia'), { recursive: true }));
      await eventually('it stopped', async () => (await stateOf(s.inRepo)) === 'stopped');
      expect(await readDocument(s.mine, paths[0] ?? '')).toBeDefined();
    };
    await empty();
    const unclear = await s.home.run('doc', 'resume');
    expect([unclear.status, unclear.stderr]).toEqual([2, expect.stringContaining('--restore')]);
    await s.home.json('doc', 'resume', '--restore');
    await areThere(true);
    await s.everywhere(paths[0] ?? '', `${paths[0]}\n`);
    await empty();
    await s.home.json('doc', 'resume', s.inRepo, '--delete');
    await areThere(false);
    expect((await s.home.run('doc', 'resume', '--restore')).status).toBe(4);
  });

  test('what cannot be shared is listed and left alone, and the others go on', async () => {
    await using s = await documentScene(['ada']);
    await s.up();
    await writeDocument(s.inRepo, `${NOTES}/big.md`, new Uint8Array(5 * 1024 * 1024));
    await writeDocument(s.inRepo, `${NOTES}/binary.md`, new Uint8Array([0x68, 0xff, 0xfe]));
    await writeDocument(s.inRepo, `${NOTES}/folder.md/inside.md`, 'x\n');
    await writeDocument(s.inRepo, `${NOTES}/CON.md`, 'x\n');
    await writeDocument(s.inRepo, '~mia/nowhere/notes/a.md', 'x\n');
    await symlink('/etc/passwd', join(s.inRepo, NOTES, 'link.md'));
    await writeDocument(s.inRepo, plan, 'good\n');
    await s.everywhere(plan, 'good\n');
    const problems = await eventually('all are listed', async () => {
      const found = (await s.mirrors()).find(({ root }) => root === s.inRepo)?.problems ?? [];
      return found.length === 6 && found.map(({ path }) => path).sort();
    });
    expect(problems).toEqual(
      [
        ...['CON', 'big', 'binary', 'folder', 'link'].map((name) => `${NOTES}/${name}.md`),
        '~mia/nowhere/notes/a.md',
      ].sort(),
    );
    await eventually('it is in the list', async () =>
      (await readDocument(s.inRepo, '~mia/launch/_errors.md'))?.includes('"notes/big.md": It has 5120 KiB'),
    );
    expect(await readDocument(s.mine, '~mia/launch/_errors.md')).toBeUndefined();
    for (const name of ['big.md', 'binary.md', 'folder.md', 'CON.md', 'link.md']) {
      await rm(join(s.inRepo, NOTES, name), { recursive: true });
    }
    await eventually('it is gone', async () => (await readDocument(s.inRepo, '~mia/launch/_errors.md')) === undefined);
  });

  test('a template is edited like any document, and every place says what is not as it asks', async () => {
    await using s = await documentScene(['ada']);
    await s.up();
    const [template, report] = [`${NOTES}/_template.md`, '~mia/launch/_errors.md'];
    const asking = '---\n_aachat: { allowed_states: [open, done] }\nstatus: open\n---\n';
    await writeDocument(s.inRepo, template, asking);
    // It has to be older than the document, whose time is gone back to.
    await s.everywhere(template, asking);
    await writeDocument(s.mine, plan, '---\nstatus: opne\n---\n');
    await s.everywhere(plan, '---\nstatus: opne\n---\n');
    for (const root of [s.mine, s.inRepo, await s.workspaceOf('ada')]) {
      await eventually('it is listed', async () => (await readDocument(root, report))?.includes('it is "opne".'));
    }
    const fault = { path: plan, reason: 'status must be one of "open", "done"; it is "opne".' };
    await s.everywhere(plan, '---\nstatus: opne\n---\n');
    expect((await s.mirrors()).map(({ faults }) => faults)).toEqual(Array(3).fill([fault]));

    const [{ createdAt } = { createdAt: '' }] = await s.history(plan);
    await writeDocument(s.mine, plan, '---\nstatus: open\n---\n');
    await eventually('it is mended', async () => (await readDocument(s.inRepo, report)) === undefined);
    await writeDocument(s.inRepo, `${NOTES}/later.md`, 'x\n');
    await s.everywhere(`${NOTES}/later.md`, 'x\n');
    await s.home.json('doc', 'restore', '--project', 'launch', '--at', createdAt, '--yes');
    await s.everywhere(plan, '---\nstatus: opne\n---\n');
    await s.everywhere(`${NOTES}/later.md`, undefined);
    await eventually('it is listed again', async () => await readDocument(s.inRepo, report));
  });
});

test('two machines work on one server; an agent that runs on one is refused on the other', async () => {
  await using t = await team(['ada']);
  await using other = await scratchHome({ AACHAT_AGENT: 'scripted' });
  await t.up();
  const { code, server } = await t.home.json<{ code: string; server: string }>('server', 'invite', 'mia');
  await other.json('auth', 'login', '--server', server, '--code', code);
  const second = other.start('up');
  await second.until(/Ready \(Ctrl/);
  expect(second.output()).toMatch(/! ada\.mia runs on .* already\./);
  await writeDocument(join(t.home.path, 'docs'), plan, 'from one\n');
  const there = join(other.path, 'docs');
  await eventually('it came', async () => (await readDocument(there, plan)) === 'from one\n');
  await writeDocument(there, plan, 'from one\nand back\n');
  const here = join(t.home.path, 'docs');
  await eventually('it came back', async () => (await readDocument(here, plan)) === 'from one\nand back\n');
  await other.json('project', 'send', 'launch', `@ada ${steps({ text: 'I hear you.' })}`);
  await t.heard('ada.mia', /^I hear you\.$/);
  await eventually('it is at rest', async () => {
    const { up } = await other.quick<Status>('status');
    return up?.mirrors.length === 1 && up.mirrors.every(({ kind, state }) => kind === 'home' && state === 'in sync');
  });
});
