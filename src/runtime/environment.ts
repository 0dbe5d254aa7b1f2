/**
 * The whole environment of an agent process, built from an allow-list: nothing is inherited by accident, so no token of
 * ours or of another tool reaches an agent because it happened to be in somebody's shell.
 */
import { delimiter } from 'node:path';
import type { AgentKind } from './agent-program.ts';

export interface EnvironmentOptions {
  readonly parent: NodeJS.ProcessEnv;
  /** Values of the names that the agent declares. */
  readonly declared: Readonly<Record<string, string>>;
  /** Ours: `AA_…` and the agent's git author. */
  readonly own: Readonly<Record<string, string>>;
  /** First on PATH: our `aachat` and `chat`. */
  readonly shimDir: string;
  readonly temp: string;
  readonly kind: AgentKind;
}

/** What any program needs to run as this user, and to find the network. */
const GENERAL = [
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'TZ',
  'TERM',
  'XDG_CONFIG_HOME',
  'XDG_DATA_HOME',
  'XDG_CACHE_HOME',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'ALL_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'all_proxy',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'NODE_EXTRA_CA_CERTS',
  'CURL_CA_BUNDLE',
];

/** What an LLM program is configured by. Its keys are the user's own and go to that program only. */
const PROVIDER =
  /^(ANTHROPIC_[A-Z0-9_]+|CLAUDE_CONFIG_DIR|CLAUDE_CODE_OAUTH_TOKEN|CLAUDE_CODE_USE_[A-Z]+|CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC|CLAUDE_CODE_MAX_RETRIES|CLAUDE_CODE_EXECUTABLE)$/;
const OTHER_PROVIDERS = /^(OPENAI|GEMINI|GOOGLE|OPENCODE|CODEX|QWEN|MISTRAL|OPENROUTER)_[A-Z0-9_]+$/;
const OWN: Readonly<Record<AgentKind, readonly RegExp[]>> = {
  claude: [PROVIDER],
  scripted: [],
  // It speaks to every provider.
  opencode: [/^ANTHROPIC_[A-Z0-9_]+$/, OTHER_PROVIDERS],
  gemini: [/^(GEMINI|GOOGLE)_[A-Z0-9_]+$/],
  codex: [/^(OPENAI|CODEX)_[A-Z0-9_]+$/],
  acp: [PROVIDER, OTHER_PROVIDERS],
};
/** Cloud credentials, only for programs that were told to reach their model through that cloud. */
const CLOUDS: readonly (readonly [flag: string, names: RegExp])[] = [
  ['CLAUDE_CODE_USE_BEDROCK', /^AWS_[A-Z0-9_]+$/],
  ['CLAUDE_CODE_USE_VERTEX', /^(GOOGLE_[A-Z0-9_]+|CLOUD_ML_REGION|VERTEX_[A-Z0-9_]+)$/],
];

/** Make programs of others load code, or do something else than they say. */
const MEDDLING = /^(LD_|DYLD_|GIT_|CLAUDE_|BUN_|IS_SANDBOX$|NODE_OPTIONS$|BASH_ENV$|IFS$|SHELLOPTS$|BASHOPTS$)/;

/** Whether a name is no agent's to declare: ours, what every process gets anyway, and what bends programs. */
export const isReservedName = (name: string): boolean =>
  /^(AA_|AACHAT_|LC_|PATH$|TMPDIR$)/.test(name) || GENERAL.includes(name) || MEDDLING.test(name);

/** Who pays, and where a program looks for that. */
const LOGIN_NAME =
  /(KEY|TOKEN|SECRET|CREDENTIALS|PROFILE|PROJECT|PROJECT_ID|BASE_URL|ENDPOINT|CONFIG_DIR)$|_USE_[A-Z]+$/;
const LOGIN_PLACES = ['HOME', 'XDG_CONFIG_HOME', 'XDG_DATA_HOME'];

/** The part of a program's environment that decides which login it uses. */
export function loginEnvironment(kind: AgentKind, env: Readonly<Record<string, string>>): Record<string, string> {
  const clouds = kind === 'claude' ? CLOUDS.filter(([flag]) => env[flag] !== undefined).map(([, names]) => names) : [];
  const own = [...OWN[kind], ...clouds];
  const decides = (name: string) => LOGIN_NAME.test(name) && own.some((names) => names.test(name));
  return Object.fromEntries(Object.entries(env).filter(([name]) => LOGIN_PLACES.includes(name) || decides(name)));
}

export function agentEnvironment({
  parent,
  declared,
  own,
  shimDir,
  temp,
  kind,
}: EnvironmentOptions): Record<string, string> {
  const allowed = (name: string): boolean => {
    if (GENERAL.includes(name) || name.startsWith('LC_')) return true;
    if (OWN[kind].some((names) => names.test(name))) return true;
    return kind === 'claude' && CLOUDS.some(([flag, names]) => parent[flag] !== undefined && names.test(name));
  };
  const inherited = Object.entries(parent).filter((entry): entry is [string, string] => {
    const [name, value] = entry;
    return value !== undefined && allowed(name);
  });
  return {
    ...Object.fromEntries(inherited),
    ...declared,
    ...own,
    PATH: [shimDir, parent['PATH'] ?? '/usr/local/bin:/usr/bin:/bin'].join(delimiter),
    TMPDIR: temp,
  };
}
