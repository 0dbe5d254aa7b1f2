import { chmod, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'smol-toml';
import { describe, expect, test } from 'vitest';
import { exists } from '#base/fs.ts';
import { listValues, resolveDeclared, setValue } from '#runtime/declared-environment.ts';
import { tempDir, writeFiles } from '../support/temp.ts';

const toml = 'GH_TOKEN = "all"\nPORT = 80\nOTHER = "not declared"\n[agents."ada.mia"]\nGH_TOKEN = "own"\n';

test('only declared names are given, those of the agent before those of all', async () => {
  await using dir = await tempDir();
  await writeFiles(dir.path, { 'env.toml': toml });
  expect(await resolveDeclared(join(dir.path, 'env.toml'), 'ada.mia', ['GH_TOKEN', 'PORT', 'MISSING'])).toEqual({
    values: { GH_TOKEN: 'own', PORT: '80' },
    missing: ['MISSING'],
    warnings: [],
  });
});

test('a missing file means missing values, never a failure', async () => {
  await using dir = await tempDir();
  expect((await resolveDeclared(join(dir.path, 'none.toml'), 'ada.mia', ['A'])).missing).toEqual(['A']);
});

test('a broken file is reported without a word of it', async () => {
  await using dir = await tempDir();
  await writeFiles(dir.path, { 'env.toml': 'TOKEN = CANARY' });
  const { warnings, missing } = await resolveDeclared(join(dir.path, 'env.toml'), 'ada.mia', ['TOKEN']);
  expect([missing, warnings.length, warnings.join().includes('CANARY')]).toEqual([['TOKEN'], 1, false]);
});

describe('editing', () => {
  const ADA = 'ada.mia';

  /** The text of the file after one edit of `text`. */
  async function edited(text: string, name: string, value: string | undefined, agent?: string): Promise<string> {
    await using dir = await tempDir();
    const path = join(dir.path, 'env.toml');
    if (text !== '') await writeFiles(dir.path, { 'env.toml': text });
    await setValue(path, { name, agent }, value);
    return await readFile(path, 'utf8');
  }

  const COMMENTED = [
    '# Values of mia',
    'GH_TOKEN = "old"  # of the bot',
    '',
    '# Ports',
    'PORT = 80',
    '',
    '# Only for ada',
    '[agents."ada.mia"]',
    'GH_TOKEN = "own"',
    '',
    '[other]',
    'GH_TOKEN = 1979-05-27',
    '',
  ];

  test.for([
    ['a new value after the last for all', 'KEY', 'x', undefined, 5, 0, 'KEY = "x"'],
    ['a new value into the table of the agent', 'KEY', 'x', ADA, 9, 0, 'KEY = "x"'],
    ['another value for all, with its remark', 'GH_TOKEN', 'new', undefined, 1, 1, 'GH_TOKEN = "new"  # of the bot'],
    ['another value for the agent', 'GH_TOKEN', 'new', ADA, 8, 1, 'GH_TOKEN = "new"'],
    ['no value for all', 'PORT', undefined, undefined, 4, 1, undefined],
    ['no value for the agent', 'GH_TOKEN', undefined, ADA, 8, 1, undefined],
  ] as const)('%s: one line changes', async ([, name, value, agent, at, removed, line]) => {
    const expected = COMMENTED.toSpliced(at, removed, ...(line === undefined ? [] : [line]));
    expect(await edited(COMMENTED.join('\n'), name, value, agent)).toBe(expected.join('\n'));
  });

  test.for([
    ['a file that is not there', '', 'KEY = "x"\n'],
    ['a file without a last line end', 'A = 1', 'A = 1\nKEY = "x"\n'],
    ['a file that is all comment', '# mine\n', 'KEY = "x"\n# mine\n'],
  ] as const)('%s', async ([, before, after]) => {
    expect(await edited(before, 'KEY', 'x')).toBe(after);
  });

  test('the first value of an agent gets a table of its own', async () => {
    expect(await edited('A = 1\n', 'KEY', 'x', ADA)).toBe('A = 1\n\n[agents."ada.mia"]\nKEY = "x"\n');
    expect(await edited('', 'KEY', 'x', ADA)).toBe('[agents."ada.mia"]\nKEY = "x"\n');
  });

  test.for([
    ['a string over several lines', 'KEY = """\nGH_TOKEN = "no"\n[agents]\n"""\nB = 2\n'],
    ['a literal string over several lines', "B = 1\nKEY = '''\n# text\n'''\n"],
    ['a quoted key', '"KEY" = "old"\n'],
    ['a list over several lines', 'KEY = [\n  1,\n]\n'],
  ] as const)('%s is replaced as a whole', async ([, before]) => {
    const after = await edited(before, 'KEY', 'new');
    expect(parse(after)).toEqual({ ...parse(before), KEY: 'new' });
    const { KEY: _, ...others } = parse(before);
    expect(parse(await edited(before, 'KEY', undefined))).toEqual(others);
  });

  test.for(['a\nb\n', '"quoted" \\ $HOME', '# no remark', '-----BEGIN KEY-----\nx\n', '会議', '\u0001'])(
    'the value %j is read as it was given',
    async (value) => {
      await using dir = await tempDir();
      const path = join(dir.path, 'env.toml');
      await setValue(path, { name: 'KEY', agent: undefined }, value);
      await setValue(path, { name: 'OTHER', agent: ADA }, value);
      expect((await resolveDeclared(path, ADA, ['KEY', 'OTHER'])).values).toEqual({ KEY: value, OTHER: value });
      expect(await listValues(path)).toEqual([
        { name: 'KEY', agent: undefined },
        { name: 'OTHER', agent: ADA },
      ]);
    },
  );

  test('only the owner can read the file afterwards, whoever could before', async () => {
    await using dir = await tempDir();
    const path = join(dir.path, 'env.toml');
    await writeFiles(dir.path, { 'env.toml': 'A = 1\n' });
    await chmod(path, 0o644);
    await setValue(path, { name: 'KEY', agent: undefined }, 'x');
    expect((await stat(path)).mode & 0o777).toBe(0o600);
  });

  test('what was not there is said, and nothing is written', async () => {
    await using dir = await tempDir();
    const path = join(dir.path, 'env.toml');
    expect(await setValue(path, { name: 'KEY', agent: undefined }, undefined)).toBe(false);
    expect(await exists(path)).toBe(false);
  });

  test.for([
    ['a damaged file', 'TOKEN = CANARY\n', 'VALIDATION_ERROR'],
    ['a dotted key', 'agents."ada.mia".KEY = "CANARY"\n', 'CONFLICT'],
    ['an inline table', 'agents = { "ada.mia" = { KEY = "CANARY" } }\n', 'CONFLICT'],
  ] as const)('%s stays as it is, and no word of it is said', async ([, text, code]) => {
    await using dir = await tempDir();
    const path = join(dir.path, 'env.toml');
    await writeFiles(dir.path, { 'env.toml': text });
    const refused: unknown = await setValue(path, { name: 'KEY', agent: ADA }, 'SECRET').catch((thrown) => thrown);
    expect(refused).toMatchObject({ code });
    expect(JSON.stringify([String(refused), refused])).not.toMatch(/CANARY|SECRET/);
    expect(await readFile(path, 'utf8')).toBe(text);
  });

  test('edits at the same time are all kept', async () => {
    await using dir = await tempDir();
    const path = join(dir.path, 'env.toml');
    const names = Array.from({ length: 8 }, (_, n) => `KEY_${n}`);
    await Promise.all(names.map((name) => setValue(path, { name, agent: undefined }, name)));
    expect((await resolveDeclared(path, ADA, names)).missing).toEqual([]);
  });
});
