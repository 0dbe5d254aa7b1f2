import { expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import { type SessionId, shortId } from '#contract/ids.ts';
import { openHome } from '#runtime/home.ts';
import { run } from '../support/command.ts';
import { says, started, turn, writeLog } from '../support/session-logs.ts';
import { tempDir } from '../support/temp.ts';

async function scene() {
  const dir = await tempDir();
  const home = openHome(dir.path);
  const [first, second] = [newId<SessionId>(), newId<SessionId>()];
  await writeLog(home, first, [started(), ...turn('When is the launch?', 'The launch \u001b[31mdate is May.')]);
  await writeLog(home, second, [
    started({ agent: 'bob.mia' }),
    says(`${'far '.repeat(100)}launch ${'away '.repeat(100)}`),
  ]);
  const search = (...words: string[]) =>
    run(['session', 'search', ...words], { env: { AACHAT_HOME: dir.path }, isTerminal: true });
  return { ...dir, first, second, search };
}

test('shows who said it, when, and what stands around the words', async () => {
  await using s = await scene();
  const { status, stdout } = await s.search('launch');
  expect(status).toBe(0);
  const rows = stdout.split('\n').filter(Boolean);
  expect(rows).toHaveLength(3);
  expect(rows.find((row) => row.includes('prompt'))).toMatch(
    new RegExp(`^${shortId(s.first)}  ada\\.mia  2026-01-01 \\d\\d:\\d\\d  prompt  When is the launch\\?$`),
  );
  // What others said moves no cursor and paints nothing.
  expect(rows.find((row) => row.includes('May'))).toMatch(/says +The launch date is May\.$/);
  expect(rows.find((row) => row.includes('bob.mia'))).toMatch(/says +…[far ]+launch [away ]+…$/);
  expect((await s.search('launch', '--session', shortId(s.second))).stdout.split('\n').filter(Boolean)).toHaveLength(1);
  expect((await s.search('launch', '--limit', '2')).stdout).toMatch(/\(more: --offset 2\)\n$/);
  expect((await s.search('absent')).stdout).toBe('Nothing that sessions did has these words.\n');
});

test('makes the index anew when asked, and says what it needs', async () => {
  await using s = await scene();
  expect((await s.search('--reindex')).stdout).toBe('The index has 9 lines of 2 sessions.\n');
  expect((await s.search('--reindex', 'may')).stdout).toContain('date is May');
  for (const words of [[], ['…']]) {
    expect(await s.search(...words)).toMatchObject({ status: 2, stderr: expect.stringContaining('no word') });
  }
  expect(await s.search('may', '--session', 'ffffffff')).toMatchObject({ status: 4 });
});
