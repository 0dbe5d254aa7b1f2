/** The tables, built in. A migration that was released is never edited: a change is one more entry at the end. */
import { type Kysely, sql } from 'kysely';
import type { Engine } from './engine.ts';
import type { Schema } from './schema.ts';

interface Migration {
  readonly name: string;
  readonly statements: (engine: Engine) => readonly string[];
}

/** Brings the database up to date; several processes may try at once. Each migration is all or nothing. */
export async function migrate(db: Kysely<Schema>, engine: Engine): Promise<void> {
  await db.transaction().execute(async (tx) => {
    await engine.lockMigrations(tx);
    await sql`create table if not exists migrations (name text primary key, at text not null)`.execute(tx);
    const done = await sql<{ name: string }>`select name from migrations`.execute(tx);
    const names = new Set(done.rows.map(({ name }) => name));
    for (const { name, statements } of MIGRATIONS) {
      if (names.has(name)) continue;
      for (const statement of statements(engine)) await sql.raw(statement).execute(tx);
      await sql`insert into migrations (name, at) values (${name}, ${new Date().toISOString()})`.execute(tx);
    }
  });
}

const MIGRATIONS: readonly Migration[] = [
  {
    name: '0001-first',
    statements: ({ types: { int }, searchStatements }) => [
      `create table users (id text primary key, login text not null unique, created_at text not null)`,
      `create table teams (
        id text primary key, slug text not null unique, kind text not null, repo text, created_at text not null)`,
      `create table memberships (
        team_id text not null references teams, user_id text not null references users, role text not null,
        joined_at text not null, primary key (team_id, user_id))`,
      `create index memberships_user on memberships (user_id)`,
      `create table agents (
        id text primary key, base text not null, name text not null unique, owner_id text not null references users,
        repo text, created_at text not null)`,
      `create index agents_owner on agents (owner_id)`,
      `create table projects (
        id text primary key, team_id text not null references teams, name text not null, kind text not null,
        status text not null, description text not null, hop_limit ${int} not null, loop_stopped_at text,
        agent_id text references agents, created_at text not null, unique (team_id, name))`,
      `create index projects_name on projects (name)`,
      `create index projects_agent on projects (agent_id)`,
      `create table project_members (
        project_id text not null references projects, party_kind text not null, party_id text not null, role text,
        joined_at text not null, primary key (project_id, party_id))`,
      `create index project_members_party on project_members (party_id)`,
      `create table machines (
        id text primary key, user_id text not null references users, name text not null, heartbeat_at text not null)`,
      `create table sessions (
        id text primary key, agent_id text not null references agents, team_id text not null references teams,
        name text, state text not null, activity text, coverage_mode text not null,
        parent_id text references sessions, forked_from_id text references sessions,
        created_at text not null, updated_at text not null)`,
      `create index sessions_agent on sessions (agent_id, state)`,
      `create index sessions_updated on sessions (updated_at)`,
      `create table runs (
        id text primary key, session_id text not null references sessions,
        machine_id text not null references machines, machine text not null, epoch ${int} not null,
        started_at text not null, heartbeat_at text not null, ended_at text, reason text,
        unique (session_id, epoch))`,
      `create index runs_live on runs (heartbeat_at) where ended_at is null`,
      `create table coverage (
        session_id text not null references sessions, project_id text not null references projects,
        primary key (session_id, project_id))`,
      `create index coverage_project on coverage (project_id)`,
      `create table turns (
        id text primary key, session_id text not null references sessions, run_id text not null references runs,
        project_id text not null references projects, hop ${int} not null, state text not null, stop_reason text,
        counters text, from_seq ${int} not null, to_seq ${int} not null, fresh ${int} not null,
        started_at text not null, ended_at text)`,
      `create index turns_session on turns (session_id, started_at)`,
      `create table messages (
        id text primary key, project_id text not null references projects, seq ${int} not null,
        author_kind text not null, author_id text not null, author_name text not null, via text, body text not null,
        mentions text not null, reply_to text, turn_id text, hop ${int} not null, created_at text not null,
        unique (project_id, seq))`,
      `create table mentions (
        message_id text not null references messages, party_id text not null, project_id text not null,
        primary key (party_id, message_id))`,
      `create table signals (
        id text primary key, kind text not null, state text not null, sender_kind text not null,
        sender_id text not null, sender_name text not null, recipient_kind text not null, recipient_id text not null,
        recipient_name text not null, session_id text references sessions, project_id text references projects,
        message_id text, turn_id text, hop ${int} not null, text text, created_at text not null)`,
      `create unique index signals_message on signals (message_id, recipient_id) where message_id is not null`,
      `create index signals_recipient on signals (recipient_id, state)`,
      `create index signals_session on signals (session_id, state)`,
      `create index signals_turn on signals (turn_id)`,
      `create table cursors (
        reader_id text not null, project_id text not null references projects, seq ${int} not null,
        primary key (reader_id, project_id))`,
      `create table documents (
        id text primary key, project_id text not null references projects, kind text not null, name text not null,
        folded text not null, version ${int} not null, digest text, size ${int} not null, author_kind text not null,
        author_id text not null, author_name text not null, via text, created_at text not null,
        updated_at text not null, unique (project_id, kind, name))`,
      `create unique index documents_folded on documents (project_id, kind, folded) where digest is not null`,
      `create index documents_name on documents (folded)`,
      // Each document has its own copy of a text, so that one can be purged without touching another.
      `create table texts (
        document_id text not null references documents, digest text not null, text text not null,
        primary key (document_id, digest))`,
      `create table versions (
        document_id text not null references documents, number ${int} not null, kind text not null,
        author_kind text not null, author_id text not null, author_name text not null, via text, base_digest text,
        submitted_digest text, digest text, size ${int} not null, created_at text not null, purged_at text,
        primary key (document_id, number))`,
      `create table conflicts (
        id text primary key, document_id text not null references documents, number ${int} not null,
        version ${int} not null, author_kind text not null, author_id text not null, author_name text not null,
        base_digest text, digest text not null, size ${int} not null, created_at text not null, settled_at text,
        unique (document_id, number))`,
      `create index conflicts_open on conflicts (id) where settled_at is null`,
      `create table streams (id text primary key, seq ${int} not null, floor ${int} not null)`,
      `create table events (
        stream_id text not null, seq ${int} not null, at text not null, type text not null, entity_id text not null,
        data text not null, primary key (stream_id, seq))`,
      `create index events_at on events (at)`,
      `create table tokens (
        hash text primary key, family_id text not null, parent_hash text, user_id text not null references users,
        created_at text not null, expires_at text not null, used_at text, revoked_at text)`,
      `create index tokens_family on tokens (family_id)`,
      `create index tokens_parent on tokens (parent_hash)`,
      `create table login_codes (
        hash text primary key, kind text not null, login text, expires_at text not null, used_at text)`,
      `create table commands (
        author_id text not null, client_id text not null, digest text not null, reply text not null, at text not null,
        primary key (author_id, client_id))`,
      `create index commands_at on commands (at)`,
      `create table settings (name text primary key, value text not null)`,
      ...searchStatements,
    ],
  },
  {
    name: '0002-revoked-tokens',
    statements: () => [`create index tokens_revoked on tokens (revoked_at) where revoked_at is not null`],
  },
  {
    name: '0003-removed-sessions',
    statements: () => [`alter table sessions add column removed_at text`],
  },
  {
    name: '0004-removed-agents',
    statements: () => [`alter table agents add column removed_at text`],
  },
  {
    name: '0005-budgets',
    statements: () => [`alter table agents add column budget text`, `alter table agents add column budget_told text`],
  },
  {
    name: '0006-cache-counters',
    // What was counted together cannot be told apart any more.
    statements: () => [
      `update turns set counters = replace(counters, '"cachedTokens":', '"cacheWriteTokens":0,"cacheReadTokens":')
        where counters is not null`,
    ],
  },
  {
    name: '0007-parked-sessions',
    statements: ({ types: { int } }) => [
      `alter table sessions add column parked ${int} not null default 0`,
      `update sessions set parked = 1 where coverage_mode = 'explicit' and exists (
        select 1 from runs where runs.session_id = sessions.id and runs.reason = 'asked' and not exists (
          select 1 from runs as newer where newer.session_id = runs.session_id and newer.epoch > runs.epoch))`,
    ],
  },
  {
    name: '0008-pair-cooldowns',
    statements: () => [`alter table projects add column cooldowns text`],
  },
  {
    name: '0009-session-tree',
    statements: () => [
      `alter table signals add column from_session_id text`,
      `create index sessions_parent on sessions (parent_id) where parent_id is not null`,
      `create index sessions_forked on sessions (forked_from_id) where forked_from_id is not null`,
    ],
  },
  {
    name: '0010-session-lookups',
    statements: ({ types: { plain } }) => [
      `create index sessions_state on sessions (state, updated_at, id)`,
      `create index sessions_short on sessions (substr(id, 29))`,
      `create index sessions_name on sessions (name ${plain}) where name is not null`,
      ...(plain === '' ? [] : [`create index sessions_id on sessions (id ${plain})`]),
    ],
  },
  {
    name: '0011-permissions',
    statements: () => [
      `create table permissions (
        id text primary key, session_id text not null references sessions, run_id text not null references runs,
        turn_id text, tool_kind text not null, option_kinds text not null, digest text not null,
        asked_at text not null, expires_at text not null, state text not null, answer text, answered_by text,
        answered_at text, settled_at text)`,
      `create index permissions_run on permissions (run_id)`,
      `create index permissions_expiry on permissions (expires_at)`,
    ],
  },
];
