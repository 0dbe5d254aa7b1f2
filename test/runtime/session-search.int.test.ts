import { appendFile, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { newId } from '#base/id.ts';
import type { RunId, SessionId } from '#contract/ids.ts';
import { openEventLog } from '#runtime/event-log.ts';
import { openHome } from '#runtime/home.ts';
import type { LogEvent } from '#runtime/log-events.ts';
import { encode } from '#runtime/log-lines.ts';
import { RECOVERY } from '#runtime/recovery.ts';
import { activeOrLatest, type Refreshed, searchSessions, withSessionIndex } from '#runtime/session-search.ts';
import { says, started, turn, writeLog } from '../support/session-logs.ts';
import { tempDir } from '../support/temp.ts';

async function scene() {
  const dir = await tempDir();
  const home = openHome(dir.path);
  let refreshed: Refreshed | undefined;
  const found = async (typed: string, options: { limit?: number; offset?: number; session?: SessionId } = {}) => {
    const hits = await withSessionIndex(home, (index, fresh) => {
      refreshed = fresh;
      return searchSessions(home, index, typed, { limit: 50, offset: 0, ...options });
    });
    return hits?.map(({ text }) => text);
  };
  const session = async (events: readonly LogEvent[], from?: string): Promise<SessionId> => {
    const id = newId<SessionId>();
    await writeLog(home, id, events, from);
    return id;
  };
  return { ...dir, home, found, session, refreshed: () => refreshed };
}

describe('search', () => {
  test('X4 finds what people, agents and tools said in any session, newest first', async () => {
    await using s = await scene();
    await s.session([started(), ...turn('mia: where is the Ünïcode needle?', 'The needle is in the haystack.')]);
    const output = { type: 'content', content: { type: 'text', text: 'needle-case.ts' } };
    const later = await s.session(
      [
        started(),
        { type: 'update', turnId: null, update: { sessionUpdate: 'tool_call_update', content: [output] } },
        { type: 'problem', message: 'The needle broke.', hint: null },
        says('漢字を書く needles'),
      ],
      '2026-02-01T00:00:00.000Z',
    );
    expect(await s.found('needle ')).toEqual([
      'The needle broke.',
      'needle-case.ts',
      'The needle is in the haystack.',
      'mia: where is the Ünïcode needle?',
    ]);
    expect(await s.found('needl')).toHaveLength(5);
    expect(await s.found('needle', { limit: 2, offset: 1 })).toEqual(['The needle broke.', 'needle-case.ts']);
    expect(await s.found('NEEDLE ünïcode')).toEqual(['mia: where is the Ünïcode needle?']);
    expect(await s.found('漢字')).toEqual(['漢字を書く needles']);
    expect(await s.found('haystack', { session: later })).toEqual([]);
    expect(await s.found('needle absent')).toEqual([]);
    await s.session([...turn('<aachat-managed>\nYou are a thimble.\n\n[aachat] Turn 1a2b3c4d\n> buttons', 'yes')]);
    expect(await s.found('thimble')).toEqual([]);
    expect(await s.found('buttons')).toEqual(['[aachat] Turn 1a2b3c4d\n> buttons']);
    expect(await s.found('" OR *')).toEqual([]);
    expect(await s.found('…!')).toBeUndefined();
    // What is no word of anybody: names of fields, kinds, ids.
    expect(await s.found('agent_message_chunk')).toEqual([]);
  });

  test('X4 finds what is too long for a line, and lies beside the log', async () => {
    await using s = await scene();
    const text = `${'hay '.repeat(50_000)}needle`;
    const id = await s.session([
      started(),
      { type: 'update', turnId: null, update: { sessionUpdate: 'tool_call', text } },
    ]);
    expect(await s.found('needle')).toEqual([text]);
    await rm(`${s.home.session(id).dir}/outputs`, { recursive: true });
    expect((await s.found('needle'))?.[0]).toMatch(/^hay .*…$/);
  });

  test('X1 deleted, damaged, or of another version it is made anew and finds the same', async () => {
    await using s = await scene();
    for (let count = 0; count < 3; count += 1) await s.session([started(), ...turn('ask', `needle ${count}`)]);
    const whole = await s.found('needle');
    expect([whole?.length, s.refreshed()]).toEqual([3, { sessions: 3, lines: 21, unread: [] }]);
    const { sessionIndex } = s.home;
    await rm(sessionIndex);
    expect([await s.found('needle'), s.refreshed()?.lines]).toEqual([whole, 21]);
    await writeFile(sessionIndex, 'this is no database, whatever it is called\n'.repeat(500));
    expect([await s.found('needle'), s.refreshed()?.lines]).toEqual([whole, 21]);
    // Some pages of it overwritten: what SQLite meets only later.
    const bytes = await readFile(sessionIndex);
    await rm(`${sessionIndex}-wal`, { force: true });
    await writeFile(sessionIndex, Buffer.concat([bytes.subarray(0, 4096), Buffer.alloc(bytes.length - 4096, 0xab)]));
    expect([await s.found('needle'), s.refreshed()?.lines]).toEqual([whole, 21]);
    const { DatabaseSync } = await import('node:sqlite');
    const db = new DatabaseSync(sessionIndex);
    db.exec('pragma user_version = 99');
    db.close();
    expect([await s.found('needle'), s.refreshed()?.lines]).toEqual([whole, 21]);
    expect([await s.found('needle'), s.refreshed()?.lines]).toEqual([whole, 0]);
  });

  test('X2 X3 follows logs that grow, are mended, replaced or removed', async () => {
    await using s = await scene();
    const id = await s.session([started(), says('one needle')]);
    const other = await s.session([started(), says('other needle')]);
    expect(await s.found('needle')).toHaveLength(2);
    const { log, dir } = s.home.session(id);
    await appendFile(log, '{"torn');
    await s.found('needle');
    await writeLog(s.home, id, [says('two needle')], '2026-03-01T00:00:00.000Z');
    expect(await s.found('needle')).toEqual(['two needle', expect.anything(), expect.anything()]);
    expect(s.refreshed()?.lines).toBe(1);
    // Cut between two looks: what is not there any more is not found, and the place of it is indexed anew.
    await truncate(log, 0);
    expect(await s.found('needle')).toEqual(['other needle']);
    await writeLog(s.home, id, [started(), says('three needle'), says('padding '.repeat(100))]);
    expect(await s.found('needle')).toHaveLength(2);
    await rm(log);
    await writeLog(s.home, id, [started(), says('four needle'), says('padding '.repeat(900))]);
    expect(new Set(await s.found('needle'))).toEqual(new Set(['four needle', 'other needle']));
    await rm(dir, { recursive: true });
    await rm(s.home.session(other).dir, { recursive: true });
    expect(await s.found('needle')).toEqual([]);
    expect(await readdir(s.home.sessions)).toEqual([]);
  });

  test('X2 several that look at once, and one that begins anew, index every line once', async () => {
    await using s = await scene();
    for (let count = 0; count < 5; count += 1) {
      await s.session([started(), ...Array.from({ length: 50 }, (_, n) => says(`needle ${count} ${n}`))]);
    }
    const look = (from: 'logs' | 'scratch') =>
      withSessionIndex(s.home, (index) => searchSessions(s.home, index, 'needle', { limit: 1_000, offset: 0 }), {
        from,
      });
    const looks = await Promise.all([look('logs'), look('logs'), look('logs')]);
    expect(looks.map((hits) => hits?.length)).toEqual([250, 250, 250]);
    expect(await look('scratch')).toHaveLength(250);
  });

  test('X2 a log of a newer version is left out, and all others are searched', async () => {
    await using s = await scene();
    const id = await s.session([started(), says('old needle')]);
    const line = { v: 1_000, seq: 3, at: '2026-01-01T00:00:00.000Z', ...says('new needle') };
    await appendFile(s.home.session(id).log, encode(line));
    await s.session([started(), says('other needle')]);
    expect(await s.found('needle')).toContain('other needle');
    expect(s.refreshed()?.unread).toEqual([id]);
  });

  test('X2 what was interrupted goes on where it was', async () => {
    await using s = await scene();
    const text = 'needle '.repeat(20_000);
    for (let count = 0; count < 3; count += 1)
      await s.session([started(), ...Array.from({ length: 12 }, () => says(text))]);
    const stop = new AbortController();
    const interrupted = withSessionIndex(s.home, () => {}, { signal: stop.signal });
    stop.abort();
    await expect(interrupted).rejects.toThrow();
    expect((await s.found('needle'))?.length).toBe(36);
    expect(s.refreshed()?.lines).toBeLessThan(39);
  });

  test('X2 a thousand lines of one millisecond are all there', async () => {
    await using s = await scene();
    const { openEventLog } = await import('#runtime/event-log.ts');
    const { RECOVERY } = await import('#runtime/recovery.ts');
    for (let count = 0; count < 2; count += 1) {
      await using log = await openEventLog(s.home.session(newId()).log, RECOVERY, () => 1_767_225_600_000);
      for (let n = 0; n < 1_100; n += 1) await log.append(says(`needle ${n}`));
    }
    expect(await s.found('needle', { limit: 5_000 })).toHaveLength(2_200);
  });
});

describe('the sessions in the index', () => {
  test('genealogy of ten levels, up and down', async () => {
    await using s = await scene();
    const line: SessionId[] = [];
    for (let level = 0; level < 12; level += 1) {
      const parentId = level % 2 === 0 ? (line.at(-1) ?? null) : null;
      const forkedFromId = level % 2 === 1 ? (line.at(-1) ?? null) : null;
      line.push(await s.session([started({ name: `level ${level}`, parentId, forkedFromId })]));
    }
    const side = await s.session([started({ name: 'side', parentId: line[5] ?? null })]);
    await withSessionIndex(s.home, (index) => {
      const [first, middle, last] = [line[0], line[6], line[11]].map((id) => index.family(id as SessionId));
      expect(first?.map(({ level }) => level)).toEqual([1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 10]);
      expect(last?.map(({ name, level }) => [name, level])[0]).toEqual(['level 1', -10]);
      expect(middle?.map(({ level }) => level)).toEqual([-6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5]);
      expect(middle?.find(({ level }) => level === 1)).toEqual({
        id: line[7],
        agent: 'ada.mia',
        name: 'level 7',
        state: 'running',
        how: 'forked',
        level: 1,
      });
      expect(index.family(side).find(({ level }) => level === -1)?.id).toBe(line[5]);
      expect(index.byShortId(side.slice(-8))).toEqual([side]);
      expect(index.inState('running', 100)).toHaveLength(13);
    });
  });

  test('who names none means the active one, else the latest, of the agent that was asked for', async () => {
    await using s = await scene();
    const ended = { type: 'run.ended', runId: newId<RunId>(), reason: 'stopped' } as const;
    const at = (day: number) => `2026-01-0${day}T00:00:00.000Z`;
    const [active, latest, other] = [newId<SessionId>(), newId<SessionId>(), newId<SessionId>()];
    await writeLog(s.home, active, [started()], at(1));
    await writeLog(s.home, latest, [started(), ended], at(2));
    await writeLog(s.home, other, [started({ agent: 'bob.mia' })], at(3));
    const chosen = (agent?: string) => withSessionIndex(s.home, (index) => activeOrLatest(s.home, index, agent));
    expect([await chosen(), await chosen('ada.mia'), await chosen('eve.mia')]).toEqual([other, latest, undefined]);
    await using _ = await openEventLog(s.home.session(active).log, RECOVERY);
    expect([await chosen(), await chosen('bob.mia')]).toEqual([active, other]);
  });

  test('a circle and an origin that is elsewhere end the family, and nothing fails', async () => {
    await using s = await scene();
    const [one, two, gone] = [newId<SessionId>(), newId<SessionId>(), newId<SessionId>()];
    await writeLog(s.home, one, [started({ parentId: two })]);
    await writeLog(s.home, two, [started({ parentId: one })]);
    const orphan = await s.session([started({ parentId: gone })]);
    await withSessionIndex(s.home, (index) => {
      expect(index.family(one).map(({ id }) => id)).toEqual([two]);
      expect(index.family(orphan)).toMatchObject([{ id: gone, agent: null, level: -1 }]);
    });
  });
});
