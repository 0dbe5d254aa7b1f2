import { expect, test } from 'vitest';
import { agentEnvironment, type EnvironmentOptions, isReservedName } from '#runtime/environment.ts';

const GENERAL = {
  HOME: '/home/mia',
  USER: 'mia',
  LANG: 'C.UTF-8',
  LC_ALL: 'C',
  TZ: 'UTC',
  TERM: 'xterm',
  HTTPS_PROXY: 'http://proxy:3128',
  NODE_EXTRA_CA_CERTS: '/ca.pem',
};
const CLAUDE = {
  ANTHROPIC_API_KEY: 'key',
  ANTHROPIC_BASE_URL: 'http://api',
  CLAUDE_CONFIG_DIR: '/claude',
  CLAUDE_CODE_OAUTH_TOKEN: 'token',
  CLAUDE_CODE_USE_BEDROCK: '1',
};
const CLOUD = { AWS_SECRET_ACCESS_KEY: 'secret', AWS_REGION: 'eu' };
/** What lies about in shells, and would leak a secret or change what the agent or its git does. */
const NEVER = {
  AACHAT_TOKEN: 'user',
  AACHAT_HOME: '/elsewhere',
  AACHAT_LEASE: 'forged',
  AA_SESSION_ID: 'outer',
  AA_TOKEN_FILE: '/outer',
  CLAUDECODE: '1',
  CLAUDE_CODE_SSE_PORT: '1',
  IS_SANDBOX: '1',
  GIT_DIR: '/repo/.git',
  GIT_SSH_COMMAND: 'evil',
  GITHUB_TOKEN: 'gh',
  SSH_AUTH_SOCK: '/agent.sock',
  NODE_OPTIONS: '--require evil',
  NODE_ENV: 'test',
  npm_config_registry: 'http://r',
  npm_lifecycle_event: 'test',
  LD_PRELOAD: '/evil.so',
  BASH_ENV: '/evil.sh',
  DATABASE_URL: 'postgres://',
  DATABASE_PASSWORD: 'p',
};
const OURS = { PATH: '/shim:/usr/bin', TMPDIR: '/tmp/s' };

const build = (kind: EnvironmentOptions['kind'], parent: NodeJS.ProcessEnv, more: Partial<EnvironmentOptions> = {}) =>
  agentEnvironment({
    parent: { PATH: '/usr/bin', TMPDIR: '/shared', ...parent },
    declared: {},
    own: {},
    shimDir: '/shim',
    temp: '/tmp/s',
    kind,
    ...more,
  });

test('Claude Code gets exactly the allow-list, its own settings and the cloud it was told to use', () => {
  const parent = { ...GENERAL, ...CLAUDE, ...CLOUD, ...NEVER, OPENAI_API_KEY: 'other' };
  expect(build('claude', parent)).toEqual({ ...GENERAL, ...CLAUDE, ...CLOUD, ...OURS });
});

test('cloud credentials stay behind while Claude Code does not use that cloud', () => {
  const env = build('claude', { ANTHROPIC_API_KEY: 'key', ...CLOUD, GOOGLE_APPLICATION_CREDENTIALS: '/g.json' });
  expect(env).toEqual({ ANTHROPIC_API_KEY: 'key', ...OURS });
});

test('the built-in scripted agent gets no key of any model', () => {
  expect(build('scripted', { ...GENERAL, ...CLAUDE, ...CLOUD, ...NEVER })).toEqual({ ...GENERAL, ...OURS });
});

test('other agent programs get the keys of models, and nothing else', () => {
  const keys = { OPENAI_API_KEY: 'o', GEMINI_API_KEY: 'g', ANTHROPIC_API_KEY: 'a' };
  expect(build('acp', { ...GENERAL, ...keys, ...CLOUD, ...NEVER })).toEqual({ ...GENERAL, ...keys, ...OURS });
});

test('declared values win over inherited ones, and ours over both', () => {
  const env = build(
    'claude',
    { TZ: 'UTC' },
    {
      declared: { GH_TOKEN: 'declared', TZ: 'CET', AA_AGENT: 'forged', PATH: '/evil', TMPDIR: '/evil' },
      own: { AA_AGENT: 'ada.mia' },
    },
  );
  expect(env).toEqual({ GH_TOKEN: 'declared', TZ: 'CET', AA_AGENT: 'ada.mia', ...OURS });
});

test('a launcher without PATH still gives one', () => {
  const env = build('claude', { PATH: undefined });
  expect(env['PATH']).toBe('/shim:/usr/local/bin:/usr/bin:/bin');
});

test('programs of other vendors get keys of the models that they speak to', () => {
  const keys = {
    ANTHROPIC_API_KEY: 'a',
    OPENAI_API_KEY: 'o',
    GEMINI_API_KEY: 'g',
    OPENCODE_CONFIG: '/c',
    CODEX_HOME: '/x',
  };
  const parent = { ...keys, CLAUDE_CODE_OAUTH_TOKEN: 'token', ...CLOUD };
  expect(build('opencode', parent)).toEqual({ ...keys, ...OURS });
  expect(build('gemini', parent)).toEqual({ GEMINI_API_KEY: 'g', ...OURS });
  expect(build('codex', parent)).toEqual({ OPENAI_API_KEY: 'o', CODEX_HOME: '/x', ...OURS });
});

test('what every process gets, and what bends programs, is no name to declare', () => {
  const given = agentEnvironment({
    parent: GENERAL,
    declared: {},
    own: { AA_SESSION_ID: 'x', AACHAT_HOME: '/h', GIT_AUTHOR_NAME: 'ada.mia' },
    shimDir: '/shims',
    temp: '/tmp/x',
    kind: 'scripted',
  });
  const bending = [
    'LD_PRELOAD',
    'NODE_OPTIONS',
    'GIT_SSH_COMMAND',
    'CLAUDE_CONFIG_DIR',
    'BASH_ENV',
    'BUN_OPTIONS',
    'IS_SANDBOX',
  ];
  for (const name of [...Object.keys(given), ...bending]) expect(isReservedName(name), name).toBe(true);
  for (const name of ['GH_TOKEN', 'GITHUB_TOKEN', 'OPENAI_API_KEY', 'AAA', 'PATHS', 'ENV']) {
    expect(isReservedName(name), name).toBe(false);
  }
});
