/** Documents that are not as the template of their folder asks. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { MemoryServer } from '../support/memory-replica.ts';
import { inStep, type OpenMirror, openMirror } from '../support/mirror.ts';

const folder = 'acme/launch/tasks';
const template = `${folder}/_template.md`;
const report = 'acme/launch/_errors.md';
const asking = (states: string) => `---\n_aachat:\n  allowed_states: ${states}\nstatus: open\n---\n# Task\n`;
const task = (status: string) => `---\nstatus: ${status}\n---\nDo it.\n`;

const saysOf = (one: OpenMirror, text: string) => async () => (await one.read(report))?.includes(text) === true;
const isGone = (one: OpenMirror) => async () => (await one.read(report)) === undefined;

test('S31: a template is a document, and each mirror reports by it', async () => {
  const server = new MemoryServer();
  await using one = await openMirror(server);
  await using two = await openMirror(server, { who: 'noa' });
  await one.write(`${folder}/a.md`, task('opne'));
  await one.write('acme/launch/notes/b.md', task('opne'));
  await inStep(server, one, two);
  await two.write(template, asking('[open, done]'));
  for (const mirror of [one, two]) {
    await eventually(
      'it is reported',
      saysOf(mirror, '"tasks/a.md": status must be one of "open", "done"; it is "opne".'),
    );
    expect(await mirror.read(report)).toMatch(
      /^# Not as the template asks\n.*\n## Kind: tasks\n\n- "tasks\/a.md"[^\n]*\n$/s,
    );
  }
  await inStep(server, one, two);
  expect([...server.all().keys()].sort()).toEqual(['acme/launch/notes/b.md', template, `${folder}/a.md`]);

  await two.write(template, asking('[opne]'));
  for (const mirror of [one, two]) await eventually('the template was changed', isGone(mirror));
});

test('S32: what is wrong by a template is shared, and stays in sync', async () => {
  const server = new MemoryServer();
  await using one = await openMirror(server);
  await one.write(template, asking('[open, done]'));
  await one.write(`${folder}/a.md`, '---\n[\n---\n');
  await eventually('it is reported', saysOf(one, 'tasks/a.md'));
  expect(server.text(`${folder}/a.md`)).toBe('---\n[\n---\n');
  expect(await one.mirror.flush(60_000)).toMatchObject({
    state: 'in sync',
    problems: [],
    faults: [{ path: `${folder}/a.md`, reason: expect.stringContaining('no YAML') }],
  });
  await one.write(`${folder}/a.md`, task('done'));
  await eventually('it was mended', isGone(one));
  await one.write(`${folder}/a.md`, task('gone'));
  await eventually('it is reported again', saysOf(one, '"gone"'));
  await rm(join(one.root, `${folder}/a.md`));
  await eventually('it was deleted', isGone(one));
});

test('S32: a template that is wrong itself is reported, and judges nothing', async () => {
  const server = new MemoryServer();
  await using one = await openMirror(server);
  await one.write(template, asking('[open]'));
  await one.write(`${folder}/a.md`, task('done'));
  await eventually('it is reported', saysOf(one, 'tasks/a.md'));
  await one.write(template, '---\n_aachat: {schema: {$ref: x}}\n---\n');
  await eventually(
    'the template is reported',
    saysOf(one, '"tasks/_template.md": _aachat.schema."$ref" is no keyword'),
  );
  expect(await one.read(report)).not.toContain('tasks/a.md');
  await rm(join(one.root, template));
  await eventually('there is no template', isGone(one));
  await inStep(server, one);
  expect(server.text(`${folder}/a.md`)).toBe(task('done'));
});

test('S32: it is known again after a restart, and what is not shared is said before it', async () => {
  const server = new MemoryServer();
  await using one = await openMirror(server);
  await one.write(template, asking('[open]'));
  await one.write(`${folder}/a.md`, task('done'));
  await eventually('it is reported', saysOf(one, 'tasks/a.md'));
  const { versions } = server;
  await one.restart(() => rm(join(one.root, report)));
  await eventually('it is reported again', saysOf(one, 'tasks/a.md'));
  expect(server.versions).toBe(versions);
  await one.write('acme/launch/notes/con.md', 'x\n');
  await eventually('both are', saysOf(one, 'con.md'));
  expect(await one.read(report)).toMatch(/^# Not shared\n.*con\.md.*\n\n# Not as the template asks\n.*tasks\/a\.md/s);
});

test('S33: of many documents that are wrong the report names the first ones', async () => {
  const server = new MemoryServer();
  await using one = await openMirror(server);
  await one.write(template, asking('[open]'));
  for (let n = 0; n < 120; n += 1) await one.write(`${folder}/n${n}.md`, task('done'));
  await eventually('they are reported', saysOf(one, 'And 20 more.'));
  expect((await one.read(report))?.match(/^- /gm)).toHaveLength(100);
});
