interface SettingFacts {
  readonly env: string;
  readonly what: string;
  /** What its values look like, where not every text is one, and how to say so. */
  readonly form?: { readonly pattern: RegExp; readonly words: string };
}

/** Settings of the program. By themselves, because the grammar names them and loads no file of settings. */
export const SETTINGS = {
  server: { env: 'AACHAT_SERVER', what: 'address of the server; unset: the embedded platform on this machine' },
  team: { env: 'AACHAT_TEAM', what: 'team that names are looked up in first' },
  agent: { env: 'AACHAT_AGENT', what: 'agent program: claude, opencode, gemini, codex, scripted, or a command line' },
  permissionMinutes: {
    env: 'AACHAT_PERMISSION_MINUTES',
    what: 'minutes that a request of an agent waits before it counts as denied, from the next `up` on; unset: 15',
    form: { pattern: /^[1-9]\d{0,3}$/, words: 'a whole number from 1 to 9999' },
  },
  maxSessions: {
    env: 'AACHAT_MAX_SESSIONS',
    what: 'most agent processes at once; unset: what fits into half of the memory, at 360 MB each',
    form: { pattern: /^[1-9]\d{0,3}$/, words: 'a whole number from 1 to 9999' },
  },
  hibernateMinutes: {
    env: 'AACHAT_HIBERNATE_MINUTES',
    what: 'an agent process with nothing to do ends after so long, until the next message; 0: never; unset: 30',
    form: { pattern: /^\d{1,5}(\.\d{1,3})?$/, words: 'a number of minutes, or 0' },
  },
  pauseOnLimit: {
    env: 'AACHAT_PAUSE_ON_LIMIT',
    what: 'whether a usage limit pauses all sessions of the login (on), or only the one that reached it (off); unset: on',
    form: { pattern: /^(on|off)$/, words: 'on or off' },
  },
  shareTitles: {
    env: 'AACHAT_SHARE_TITLES',
    what: 'whether your other machines see what exactly an agent here asks, such as a command line (on), or not (off); unset: off',
    form: { pattern: /^(on|off)$/, words: 'on or off' },
  },
} as const satisfies Record<string, SettingFacts>;

export type SettingName = keyof typeof SETTINGS;
export const isSettingName = (key: string): key is SettingName => Object.hasOwn(SETTINGS, key);

/** Whether a text can be the value of a setting; if not, what it has to be. */
export function formProblem(key: SettingName, value: string): string | undefined {
  const { form }: SettingFacts = SETTINGS[key];
  return form === undefined || form.pattern.test(value) ? undefined : `${key} is ${form.words}, not "${value}".`;
}
