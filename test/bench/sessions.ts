/** The log of a session and the index over all of them: append, replay, search, and look-ups among a million rows. */
import { spawnSync } from 'node:child_process';
import { appendFile, mkdir, mkdtemp, open, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { newId } from '#base/id.ts';
import type { SessionId, TurnId } from '#contract/ids.ts';
import { foldLog, openEventLog } from '#runtime/event-log.ts';
import { type Home, openHome } from '#runtime/home.ts';
import { LOG_VERSION, type LogEvent } from '#runtime/log-events.ts';
import { encode, LOG_START } from '#runtime/log-lines.ts';
import { RECOVERY } from '#runtime/recovery.ts';
import { HISTORY } from '#runtime/session-history.ts';
import { openSessionIndex, unindexed } from '#runtime/session-index.ts';
import { searchSessions, withSessionIndex } from '#runtime/session-search.ts';
import { interleave, ms, type Row, times } from './measure.ts';

let random = 1;
const word = () => {
  random = (random * 48_271) % 2_147_483_647;
  return `w${random % 20_000}`;
};
const text = (words: number) => Array.from({ length: words }, word).join(' ');

/** As turns leave them: half of it tools, and a needle in every hundredth. */
function event(number: number, turnId: TurnId): LogEvent {
  const needle = number % 100 === 3 ? ' needle' : '';
  if (number % 20 === 0) return { type: 'turn.started', turnId, projectId: newId(), signals: [] };
  if (number % 20 === 1) return { type: 'turn.prompted', turnId, prompt: text(30) };
  if (number % 20 === 19) return { type: 'turn.closed', turnId };
  if (number % 2 === 0)
    return {
      type: 'update',
      turnId,
      update: { sessionUpdate: 'tool_call', toolCallId: newId(), title: `Read ${word()}`, rawInput: { path: text(2) } },
    };
  return { type: 'update', turnId, update: { sessionUpdate: 'agent_message_chunk', text: `${text(12)}${needle}` } };
}

async function writeLines(path: string, count: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  let turnId = newId<TurnId>();
  let part = '';
  const start = Date.now() - count;
  for (let seq = 1; seq <= count; seq += 1) {
    if (seq % 20 === 0) turnId = newId<TurnId>();
    part += encode({ v: LOG_VERSION, seq, at: new Date(start + seq).toISOString(), ...event(seq, turnId) });
    if (seq % 5_000 === 0 || seq === count) {
      await appendFile(path, part);
      part = '';
    }
  }
}

export async function sessions(rounds: number, quick: boolean): Promise<readonly Row[]> {
  const dir = await mkdtemp(join(tmpdir(), 'aachat-bench-sessions-'));
  try {
    const home = openHome(dir);
    return [
      ...(await appends(dir, rounds)),
      ...(await replays(dir, rounds)),
      ...(await searches(home, rounds, quick)),
      ...(await lookups(dir, rounds, quick)),
    ];
  } finally {
    await rm(dir, { recursive: true });
  }
}

/** So many at a time, one after the other. */
const APPENDS = 200;

async function appends(dir: string, rounds: number): Promise<readonly Row[]> {
  await using log = await openEventLog(join(dir, 'append', 'events.jsonl'), RECOVERY);
  await using plain = await open(join(dir, 'append', 'plain'), 'a');
  const one = event(3, newId<TurnId>());
  const bytes = Buffer.from(encode({ v: LOG_VERSION, seq: 1, at: new Date().toISOString(), ...one }));
  const repeat = (work: () => Promise<unknown>) => async () => {
    for (let count = 0; count < APPENDS; count += 1) await work();
  };
  const took = await interleave(rounds, {
    ours: repeat(() => log.append(one)),
    floor: repeat(() => plain.appendFile(bytes)),
    durable: repeat(() => log.append(one, 'durable')),
    durableFloor: repeat(async () => {
      await plain.appendFile(bytes);
      await plain.datasync();
    }),
  });
  const row = (what: string, ours: number, floor: number, name: string): Row => ({
    what,
    measured: micros(ours / APPENDS),
    floor: `${micros(floor / APPENDS)} ${name}`,
    ratio: times(ours / floor),
    aim: '–',
  });
  return [
    row('append of an event', took.ours, took.floor, 'append'),
    row('durable append of an event', took.durable, took.durableFloor, 'append and datasync'),
  ];
}

const micros = (value: number): string => `${Math.round(value * 1_000)} µs`;

async function replays(dir: string, rounds: number): Promise<readonly Row[]> {
  const path = join(dir, 'replay', 'events.jsonl');
  await writeLines(path, 100_000);
  const took = await interleave(Math.min(rounds, 7), {
    recovery: () => foldLog(path, RECOVERY),
    history: () => foldLog(path, HISTORY),
    floor: async () => {
      for (const line of (await readFile(path, 'utf8')).split('\n')) if (line !== '') JSON.parse(line);
    },
  });
  const megabytes = Math.round((await stat(path)).size / 1e6);
  return (['recovery', 'history'] as const).map((name) => ({
    what: `replay of 100,000 events (${megabytes} MB), ${name}`,
    measured: ms(took[name]),
    floor: `${ms(took.floor)} JSON.parse`,
    ratio: times(took[name] / took.floor),
    aim: '–',
  }));
}

async function searches(home: Home, rounds: number, quick: boolean): Promise<readonly Row[]> {
  const lines = quick ? 10_000 : 100_000;
  const ids = Array.from({ length: 10 }, () => newId<SessionId>());
  for (const id of ids) await writeLines(home.session(id).log, lines);
  const logs = ids.map((id) => home.session(id).log);
  const total = (lines * 10).toLocaleString('en');
  const grep = () => spawnSync('grep', ['-h', 'needle', ...logs], { maxBuffer: 1e9 });
  const start = performance.now();
  await withSessionIndex(home, () => {});
  const built = performance.now() - start;
  const size = (await stat(home.sessionIndex)).size;
  return await withSessionIndex(home, async (index) => {
    const look = (typed: string) => () => searchSessions(home, index, typed, { limit: 21, offset: 0 });
    const took = await interleave(rounds, {
      common: look('w77 '),
      needle: look('needle '),
      two: look('needle w77 '),
      prefix: look('need'),
      broad: look('w7'),
      refresh: () => withSessionIndex(home, () => {}),
      grep,
    });
    const floor = `${ms(took.grep)} grep`;
    const row = (what: string, value: number): Row => ({
      what: `${what}, ${total} lines`,
      measured: ms(value),
      floor,
      ratio: times(value / took.grep),
      aim: 'below 1×',
    });
    return [
      {
        what: `index of ${total} lines`,
        measured: `${(built / 1_000).toFixed(1)} s, ${Math.round(size / 1e6)} MB`,
        floor,
        ratio: times(built / took.grep),
        aim: '–',
      },
      row('index is up to date', took.refresh),
      row('search of one word', took.common),
      row('search of a rare word', took.needle),
      row('search of two words', took.two),
      row('search of a begun word', took.prefix),
      row('search of a begun word of 1,111', took.broad),
    ];
  });
}

async function lookups(dir: string, rounds: number, quick: boolean): Promise<readonly Row[]> {
  const path = join(dir, 'rows.db');
  const count = quick ? 100_000 : 1_000_000;
  using index = await openSessionIndex(path);
  using db = new DatabaseSync(path, { timeout: 5_000 });
  const about = { agent: 'ada.mia', team: '~mia', name: 'row', parentId: null, forkedFromId: null };
  const history = JSON.stringify({ ...HISTORY.initial, about, lastAt: '2026-01-01T00:00:00.000Z' });
  const idOf = (number: number) => `01900000-0000-7000-8000-${number.toString(16).padStart(12, '0')}` as SessionId;
  // Each is the parent of the next, ten in a row.
  db.prepare(
    `with recursive numbers (n) as (select 1 union all select n + 1 from numbers where n < ?)
      insert into sessions (id, short, agent, state, parent_id, forked_from_id, updated_at, bytes, seq, seal, history)
      select printf('01900000-0000-7000-8000-%012x', n), printf('%08x', n), 'ada.mia',
        case n % 1000 when 0 then 'running' else 'stopped' end,
        case n % 10 when 1 then null else printf('01900000-0000-7000-8000-%012x', n - 1) end, null,
        '2026-01-01T00:00:00.000Z', 0, 0, '', ? from numbers`,
  ).run(count, history);
  const field = db.prepare(`select history ->> '$.about.team' as team from sessions where id = ?`);
  const floorRow = db.prepare('select 1');
  let made = count;
  const some = () => {
    word();
    return 1 + (random % (count - 1));
  };
  const took = await interleave(rounds * 3, {
    insert: () => {
      made += 1;
      index.put({ ...unindexed(idOf(made)), history: { ...HISTORY.initial, about } }, [], LOG_START);
    },
    status: () => index.inState('running', 50),
    family: () => {
      if (index.family(idOf(some())).length !== 9) throw new Error('The family is not whole.');
    },
    short: () => {
      if (index.byShortId(some().toString(16).padStart(8, '0')).length !== 1) throw new Error('It is not there.');
    },
    field: () => field.get(idOf(some())),
    floor: () => floorRow.get(),
  });
  const rows = count.toLocaleString('en');
  const row = (what: string, value: number, aim: string): Row => ({
    what: `${what}, ${rows} sessions`,
    measured: `${value.toFixed(3)} ms`,
    floor: `${took.floor.toFixed(3)} ms select 1`,
    ratio: times(value / took.floor),
    aim,
  });
  return [
    row('local index: session insert', took.insert, '< 10 ms'),
    row('local index: by status, newest 50', took.status, '< 5 ms'),
    row('local index: genealogy of ten levels', took.family, '< 50 ms'),
    row('local index: short id', took.short, '< 5 ms'),
    row('local index: field of JSON', took.field, '< 10 ms'),
  ];
}
